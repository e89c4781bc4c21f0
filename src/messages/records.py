"""Examples and what backends make of them."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from .base import Message
from .claims import Challenge, Sno
from .dialectic import AgentName, Assessment, StopReason

__all__ = [
    "Attempt",
    "BadRow",
    "Ballots",
    "Cached",
    "CheckpointRef",
    "Completion",
    "Dialectic",
    "DialecticRound",
    "DialecticStep",
    "Example",
    "LossTerm",
    "Output",
    "Prompt",
    "Race",
    "SamplingParams",
    "TrainStep",
    "Usage",
]


class Example(Message, frozen=True):
    """One row of a data set."""

    id: Annotated[str, Meta(min_length=1)]
    input: str
    reference: str | None = None
    """The gold output, None when the row has none."""
    split: Literal["train", "validation", "test", "all"] = "all"
    group: str | None = None
    """Cluster of this row (for example its document): splits keep it together, statistics respect it."""
    fields: dict[str, Any] = field(default_factory=dict)
    """All other fields of the row as they were read."""
    source: str | None = None
    line: int | None = None
    """Line in ``source``, from 1."""
    alternatives: tuple[str, ...] = ()
    """Other right answers beside ``reference``; none without one."""


class BadRow(Message, frozen=True):
    """A row that could not become an Example."""

    source: str
    line: int | None
    field: str | None
    problem: str


class Prompt(Message, frozen=True):
    """What is asked."""

    text: str
    system: str | None = None


class SamplingParams(Message, frozen=True):
    """How it is asked."""

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    n: int = 1
    stop: tuple[str, ...] = ()
    seed: int | None = None


class Usage(Message, frozen=True):
    """Tokens as counted by the backend; ``estimated`` when the backend only guesses."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False


class Completion(Message, frozen=True):
    """One answer."""

    text: str
    finish_reason: Literal["stop", "length", "content_filter", "error"] = "stop"
    confidence: float | None = None
    """Probability in [0, 1] that the backend gives to its own answer, if it knows one."""


class Attempt(Message, frozen=True):
    """One request that was sent for an answer, in seconds since the first was sent."""

    kind: Literal["first", "retry", "backup", "hedge", "clone", "tier"]
    backend: str
    started_s: float
    ended_s: float
    outcome: Literal["won", "lost", "cancelled", "failed", "timed_out", "open"]
    """``lost``: it answered, but another answer was taken; ``cancelled``: it was still open then, and was
    given up; ``open``: it was let run on."""
    error: str | None = None


class Race(Message, frozen=True):
    """How a request and its duplicates raced.

    What a cancelled loser cost is not known: it counts as much as the winner.
    """

    hedged: bool = False
    """Whether a duplicate was sent while an earlier request was still open."""
    winner: Literal["first", "retry", "backup", "hedge", "clone", "tier"] | None = None
    """What the answered request was; None when no answer was to be had."""
    backend: str | None = None
    """Name of the backend that answered."""
    delay_s: float | None = None
    """The planned wait before a duplicate; None: no duplicate was planned."""
    quantile: float | None = None
    """The share of requests that the policy expected to be done by then."""
    reason: str = ""
    """Why the policy chose this, and why a planned duplicate was not sent."""
    duplicates: int = 0
    cancelled: int = 0
    """Requests that were still open when the answer came, and were given up."""
    extra_usage: Usage = field(default_factory=Usage)
    """Tokens of all requests but the winner."""
    extra_cost_usd: float | None = 0.0
    """None when the price is unknown."""
    attempts: tuple[Attempt, ...] = ()
    """All that were sent, in that order."""
    race_biased: bool = False
    """The answer was chosen because it was whole first, at a temperature above 0: short answers win."""
    decided_on: Literal["answer", "first_token"] = "answer"
    """``first_token``: what else was open was given up as soon as this answer began to stream."""


class Cached(Message, frozen=True):
    """What an answer from the cache had taken when it was asked for."""

    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    """None when the price was unknown."""
    latency_s: float = 0.0


class Output(Message, frozen=True):
    """What one system (the model or a baseline) answered to one example; joined to it by id."""

    example_id: str
    system: str
    backend: str
    text: str = ""
    finish_reason: str = "stop"
    confidence: float | None = None
    attempts: int = 1
    latency_s: float = 0.0
    first_token_s: float | None = None
    """Seconds to the first piece of the answer; None when it was not streamed."""
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    """None when the price is unknown."""
    error: str | None = None
    """One line; set when no answer was to be had. Then ``text`` is empty."""
    race: Race | None = None
    """None when hedging is off."""
    cached: Cached | None = None
    """The answer, or that of a member, came from the cache: no request was sent, and it took no time."""
    ballots: "Ballots | None" = None
    """None when the system is not an ensemble."""
    dialectic: "Dialectic | None" = None
    """None when the system's answer was not argued over."""


class DialecticStep(Message, frozen=True):
    """What one agent was asked for, and who answered in the end."""

    agent: AgentName
    method: str
    """The backend, or ``heuristic``."""
    fallback: str | None = None
    """One line: why the rules stand in for the model; None when they do not."""
    problems: tuple[str, ...] = ()
    """What could not be read in the model's reply."""
    output: Output | None = None
    """What the model said; None when it was not asked."""


class DialecticRound(Message, frozen=True):
    """One round: objections to the thesis, and what was made of both."""

    number: int
    challenges: tuple[Challenge, ...]
    antithesis: Sno | None = None
    synthesis: Sno | None = None
    """None when the round ended before one was asked for."""
    assessment: Assessment | None = None
    """Of the synthesis."""
    steps: tuple[DialecticStep, ...] = ()


class Dialectic(Message, frozen=True):
    """How an answer came about."""

    thesis: Sno
    assessment: Assessment
    """Of the thesis."""
    steps: tuple[DialecticStep, ...]
    """Those that led to the thesis."""
    rounds: tuple[DialecticRound, ...]
    reason: StopReason
    why: str
    """The rule that ended it, with its figures."""
    chosen: int
    """The round whose synthesis is the answer; 0 for the thesis."""


class Ballots(Message, frozen=True):
    """How an ensemble came to its answer."""

    status: Literal["decided", "no_consensus", "no_answers"]
    strategy: str
    reason: str
    """One line: why this outcome."""
    members: tuple[Output, ...] = ()
    """What each member answered, in the members' order; a member that failed has its error."""
    winner_member: str | None = None
    key: str | None = None
    """The winning answer as it was compared."""
    support: int = 0
    """Members who gave the winning answer."""
    votes: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    consensus: float = 0.0
    agreement: float | None = None
    """The largest share of the votes that are the same; None without a vote."""
    uncalibrated: float | None = None
    """The confidence before calibration; the output has the calibrated one."""
    tie_rule: str | None = None
    """What broke a tie; None when there was none."""
    abstained: dict[str, str] = field(default_factory=dict)
    """Member -> why its answer is not a vote."""
    failed: dict[str, str] = field(default_factory=dict)
    cancelled: tuple[str, ...] = ()
    """Members that were asked and given up when their answer was no longer needed."""
    not_asked: tuple[str, ...] = ()
    stopped: str | None = None
    """Why not all members were waited for."""
    error_bound: float = 0.0
    """Probability that waiting would have changed the outcome; 0 with the exact rule."""


class LossTerm(Message, frozen=True):
    """One of the terms that the loss of a training step is made of."""

    name: str
    weight: float
    value: float
    """Mean over the tokens of the answers, without the weight."""
    gradient_norm: float
    """Length of its part, weight included, of the derivative of the summed loss by the log-probabilities."""


class TrainStep(Message, frozen=True):
    """What one forward-backward pass reported."""

    loss_sum: float
    """Summed weighted negative log-likelihood, in nats."""
    weight_sum: float
    """Sum of the weights: the mean loss is ``loss_sum / weight_sum``."""
    unit: str = "token"
    """What a weight of 1 stands for: token, sentence."""
    examples: int = 0
    terms: tuple[LossTerm, ...] = ()
    """Of a loss of several terms, the first of which is what ``loss_sum`` is the sum of."""


class CheckpointRef(Message, frozen=True):
    """A saved state of a session."""

    name: str
    uri: str
    step: int
    epoch: int = 0
    loss: float | None = None
    """Held-out mean loss at this point, None when none was computed."""
    sha256: str | None = None
