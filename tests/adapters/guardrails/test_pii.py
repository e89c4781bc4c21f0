import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.guardrails import GuardOptions, RuleGuard
from crucible.adapters.guardrails.pii import iban_valid, luhn_valid

GUARD = RuleGuard(GuardOptions(prompt_injection=False, jailbreak=False))


def found(text: str) -> list[tuple[str, str]]:
    verdict, _ = GUARD.scan(text, side="output")
    return [
        (each.category, text[each.start : each.end]) for each in verdict.findings if each.confidence >= 0.7
    ]


@pytest.mark.parametrize(
    ("text", "category", "value"),
    [
        ("write to jane.doe+x@mail.example.org, please", "email", "jane.doe+x@mail.example.org"),
        ("Müller: k.müller@uni-exämple.de!", "email", "k.müller@uni-exämple.de"),
        ("ｊａｎｅ＠ｅｘａｍｐｌｅ．ｏｒｇ ok", "email", "ｊａｎｅ＠ｅｘａｍｐｌｅ．ｏｒｇ"),
        ("a\U0001f600 john (at) example (dot) com", "email", "john (at) example (dot) com"),
        ("call +1 (202) 555-0143.", "phone", "+1 (202) 555-0143"),
        ("or 202.555.0176?", "phone", "202.555.0176"),
        ("tel: 020 7946 0958", "phone", "020 7946 0958"),
        ("SSN 219-09-9999", "ssn", "219-09-9999"),
        ("ssn: 457555462", "ssn", "457555462"),
        ("row 2345 4111 1111 1111 1111 end", "card", "4111 1111 1111 1111"),
        ("Amex 3782-822463-10005", "card", "3782-822463-10005"),
        ("ref AB12 DE89 3704 0044 0532 0130 00 paid", "iban", "DE89 3704 0044 0532 0130 00"),
        ("GB82WEST12345698765432", "iban", "GB82WEST12345698765432"),
        ("from 203.0.113.77", "ip", "203.0.113.77"),
        ("at 2001:db8:85a3::8a2e:370:7334 now", "ip", "2001:db8:85a3::8a2e:370:7334"),
    ],
)
def test_personal_data_is_found_with_its_exact_extent(text: str, category: str, value: str) -> None:
    assert found(text) == [(category, value)]


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # Luhn does not hold
        "DE88 3704 0044 0532 0130 00",  # mod 97 does not hold
        "XX89 3704 0044 0532 0130 00",  # no such country
        "000-12-3456 and 666-12-3456 and 912-12-3456",  # never issued
        "Trypsin (EC 3.4.21.4), version 10.11.12.13",
        "999.1.2.3 and 127.0.0.1",
        "https://example.com/a/4155550132?x=202-555-0143",
        "ORCID 0000-0002-1825-0097, NCT01234567, 10.1136/bmj.f5675, PMID 24129059",
        "(95% confidence interval 282 to 801 per million), 1990-2004, 2013-04-15",
        "git@github.com:example/project.git",
        "fe80 is not an address, nor is d::e or 12:30:45:00",
    ],
)
def test_numbers_and_identifiers_are_not_personal_data(text: str) -> None:
    assert found(text) == []


@given(st.integers(0, 10**18), st.integers(0, 17), st.integers(1, 9))
def test_luhn_notices_every_single_wrong_digit(number: int, place: int, shift: int) -> None:
    digits = str(number)
    check = next(str(digit) for digit in range(10) if luhn_valid(digits + str(digit)))
    right = digits + check
    place %= len(right)
    wrong = right[:place] + str((int(right[place]) + shift) % 10) + right[place + 1 :]
    assert luhn_valid(right)
    assert not luhn_valid(wrong)


@given(st.integers(0, 21), st.integers(1, 9))
def test_iban_check_notices_every_single_wrong_digit(place: int, shift: int) -> None:
    right = "DE89370400440532013000"
    assert iban_valid(right)
    if place >= 2:
        wrong = right[:place] + str((int(right[place]) + shift) % 10) + right[place + 1 :]
        assert not iban_valid(wrong)
