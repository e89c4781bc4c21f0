from crucible.actors.daemon.feed import LiveFeed
from crucible.actors.runtime import ActorSystem
from crucible.messages.control import Progress, RunStarted, StageStarted


async def test_the_rate_of_a_stage_is_that_of_the_last_seconds() -> None:
    clock = [100.0]
    async with ActorSystem("test") as system:
        feed = LiveFeed(system, monotonic=lambda: clock[0])
        feed.begin("r1", "small")
        feed.publish("r1", RunStarted(run_id="r1", experiment_id="small", stages=("backend_call",)))
        feed.publish("r1", StageStarted(stage="backend_call"))
        rates = []
        for seconds, done in ((0.0, 10), (2.0, 20), (3.0, 40), (60.0, 100)):
            clock[0] = 100.0 + seconds
            feed.publish("r1", Progress(stage="backend_call", done=done, total=200))
            [stage] = feed.runs()["r1"].stages
            rates.append(stage.rate)
        assert rates == [None, 5.0, 10.0, 60 / 57]
        feed.publish("r1", Progress(stage="backend_call", done=1, total=9, phase="sample"))
        [stage] = feed.runs()["r1"].stages
        assert (stage.rate, stage.phase) == (None, "sample")
