"""``crucible stages`` and ``crucible backends``: what there is, with each option's type and default."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import msgspec

    from ... import registry

__all__ = ["backends", "stages"]


def stages(name: str | None = None, /) -> int:
    """List the stages, or show one with its options.

    Args:
        name: Stage to show.
    """
    from ... import registry

    if name is None:
        width = max(len(known) for known in registry.names("stage"))
        for known in registry.names("stage"):
            print(f"{known:<{width}}  {registry.load('stage', known).summary}")
        return 0
    kind = registry.load("stage", name)
    print(f"{kind.name}: {kind.summary}\n")
    print_options(kind.options())
    if kind.adapter is not None:
        _print_adapters(kind.adapter[0])
    if name == "data_load":
        _print_group("dataset provider", "Options of the loader, in [dataset.options]")
    if name == "backend_call":
        from ...messages.training import TrainingConfig

        print("\nTraining, in [backend.options]:")
        print_options(TrainingConfig)
    return 0


def _print_adapters(kind: registry.Kind) -> None:
    _print_group(kind, f"Further options, with {kind}")


def _print_group(kind: registry.Kind, title: str) -> None:
    from ... import registry

    for known in registry.names(kind):
        print(f"\n{title} {known!r}:")
        print_options(registry.load(kind, known).Options)


def backends(name: str | None = None, /) -> int:
    """List the backends with what they can do, or show one with its options.

    Args:
        name: Backend to show.
    """
    from ... import registry

    if name is None:
        for known in registry.names("backend"):
            able = registry.load("backend", known)().capabilities
            print(f"{known:<12} {'trainable' if able.trainable else 'asked only':<10}  {able.summary}")
        return 0
    backend = registry.load("backend", name)
    print(f"{name}: {backend().capabilities.summary}\n")
    print_options(backend.Options)
    return 0


def print_options(type_: type[msgspec.Struct]) -> None:
    """A line for each option."""
    from ...messages.option_help import describe_options

    described = describe_options(type_)
    if not described:
        print("  no options")
    for option in described:
        default = "required" if option.required else f"default {option.default}"
        print(f"  {option.name}  ({option.type}, {default})")
        if option.description:
            print(f"      {option.description}")
