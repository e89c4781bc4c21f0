"""A set of strings that keeps 64 bits of each: finds repeated ids, group values and texts in flat memory.

Used by the row index and by the expectations. An open-addressing table (Knuth, TAOCP 3, 6.4, algorithm L)
over ``array`` costs 14 to 20 bytes a string; a ``dict`` of strings costs more than 150. Two different
strings share their 64 bits with probability below 2**-28 among a million strings, so who must be certain
compares the strings themselves on a hit. Hash values differ between processes: never store them.
"""

from __future__ import annotations

from array import array

__all__ = ["HashIndex"]

_MASK_64 = (1 << 64) - 1


class HashIndex:
    """Numbers distinct strings in the order in which they first appear, from 0."""

    __slots__ = ("_hashes", "_mask", "_slots")

    def __init__(self) -> None:
        self._hashes = array("Q")
        self._slots = array("I", [0]) * 64  # number + 1 of the string in this slot, 0 when free
        self._mask = 63

    def __len__(self) -> int:
        """Distinct strings seen."""
        return len(self._hashes)

    def find(self, value: str) -> int | None:
        """The number of ``value``, None if it was never added."""
        hashed = hash(value) & _MASK_64
        slot = (hashed ^ hashed >> 32) & self._mask
        while number := self._slots[slot]:
            if self._hashes[number - 1] == hashed:
                return number - 1
            slot = (slot + 1) & self._mask
        return None

    def add(self, value: str) -> int | None:
        """The number of ``value`` if it was added before; else adds it and returns None."""
        hashed = hash(value) & _MASK_64
        hashes, slots, mask = self._hashes, self._slots, self._mask
        slot = (hashed ^ hashed >> 32) & mask
        while number := slots[slot]:
            if hashes[number - 1] == hashed:
                return number - 1
            slot = (slot + 1) & mask
        hashes.append(hashed)
        slots[slot] = len(hashes)
        if 3 * len(hashes) > 2 * mask:
            self._grow()
        return None

    def _grow(self) -> None:
        mask = self._mask = 2 * self._mask + 1
        slots = self._slots = array("I", [0]) * (mask + 1)
        for number, hashed in enumerate(self._hashes, start=1):
            slot = (hashed ^ hashed >> 32) & mask
            while slots[slot]:
                slot = (slot + 1) & mask
            slots[slot] = number
