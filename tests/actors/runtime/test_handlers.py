import pytest

from crucible.actors.runtime import Actor, ActorSystem, Asks, handler


class Number(Asks[str]):
    pass


class Text(Asks[str]):
    pass


class Namer(Actor):
    @handler
    def on_either(self, message: Number | Text) -> str:
        return type(message).__name__


class LoudNamer(Namer):
    def on_either(self, message: Number | Text) -> str:
        return super().on_either(message).upper()


async def test_one_handler_may_serve_a_union_of_types() -> None:
    async with ActorSystem() as system:
        ref = system.spawn(Namer)
        assert await ref.ask(Number()) == "Number"
        assert await ref.ask(Text()) == "Text"


async def test_an_override_keeps_the_message_type_of_the_handler_it_replaces() -> None:
    async with ActorSystem() as system:
        assert await system.spawn(LoudNamer).ask(Text()) == "TEXT"


def test_a_handler_without_annotation_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="annotate 'message'"):

        class Vague(Actor):
            @handler
            def on_it(self, message) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # the point
                pass


def test_two_handlers_for_one_type_are_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="both on_a and on_b handle Number"):

        class Torn(Actor):
            @handler
            def on_a(self, message: Number) -> None:
                pass

            @handler
            def on_b(self, message: Number) -> None:
                pass


def test_a_message_type_that_is_not_known_yet_is_refused_with_its_name() -> None:
    with pytest.raises(TypeError, match="'Later' must be defined"):

        class Early(Actor):
            @handler
            def on_it(self, message: "Later") -> None:  # type: ignore[name-defined]  # noqa: F821  # the point
                pass


def test_a_handler_takes_exactly_one_message() -> None:
    with pytest.raises(TypeError, match="takes self and one message"):

        class Greedy(Actor):
            @handler  # type: ignore[type-var]  # the point
            def on_it(self, one: Number, two: Number) -> None:
                pass


def test_a_quoted_annotation_finds_a_message_class_of_the_enclosing_function() -> None:
    class Local(Asks[int]):
        pass

    class Inner(Actor):
        @handler
        def on_local(self, message: "Local") -> int:
            return 1

    assert Inner._behaviour.find(Local) is not None


def test_the_context_is_not_there_before_the_actor_is_spawned() -> None:
    with pytest.raises(Exception, match="use on_start"):
        _ = Namer().ref
