"""Running the plan of a round against a teacher: many rows at once, each a chain of steps, none waiting for another.

Rows are taken leaf by leaf, so that prompts with a common beginning meet in the server's cache; when a leaf needs no
more rows for now, the next one's begin. A leaf stops when it has the samples that were wanted, or when as many rows
were asked for as the recipe allows. What is finished is written down about once a second.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.generation.asking import REFUSED, Style
from workers.generation.blocks import Making, make_row
from workers.generation.filters import Filter, LeafMemory, filters_of, held_out_index, new_memory
from workers.generation.judges import Judge
from workers.generation.judges.choice import judge_block
from workers.generation.judges.discrimination import Discrimination, discrimination
from workers.generation.material import Material, plans_of
from workers.generation.parts import Parts, Spent
from workers.generation.rows import Dropped, MadeBy, Outcome, Row, RowPlan
from workers.pipelines import KINDS, Pipeline
from workers.pipelines.shape import AUXILIARY, Step
from workers.specs import DroppedSample, FunnelStep, GenerationRecipe, LeafKind, Progress, StageProblem
from workers.teacher.client import TeacherClient, TeacherProblem

WRITE_SECONDS = 1.0
# More rows than requests are under way, so that a row between two requests leaves no slot empty. Twice as many: answers
# that were asked for together come together, and then for each of them another request must be waiting already.
ROWS_PER_SLOT = 2.0
FEWEST_ATTEMPTS = 4
# A server that has refused so many rows and answered none will not answer the next ones either.
MOST_REFUSED = 12


@dataclass
class LeafState:
    """One leaf of the plan while it is worked on. ``memory`` is let go when the leaf is done."""

    material: Material
    wanted: int
    most: int
    kept: int = 0
    decided: int = 0
    asked: int = 0
    done: set[int] = field(default_factory=set)
    funnel: dict[str, collections.Counter[str]] = field(default_factory=dict)
    memory: LeafMemory | None = None
    set_aside: tuple[str, ...] = ()
    plans: Iterator[RowPlan] | None = None
    exhausted: bool = False
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def finished(self) -> bool:
        return self.kept >= self.wanted or ((self.exhausted or self.asked >= self.most) and not self.tasks)

    @property
    def hungry(self) -> bool:
        """Whether more rows are needed than those under way will probably give."""
        if self.kept >= self.wanted or self.exhausted or self.asked >= self.most:
            return False
        # Rows under way count as good ones: what is dropped is dropped early, so of the first that are decided most
        # are bad, and by them alone many more rows would be begun than are needed, to be thrown away in the end.
        under_way = max(len(self.tasks), 1)
        rate = (self.kept + under_way) / (self.decided + under_way)
        return self.kept + len(self.tasks) * rate < self.wanted

    def count(self, outcome: Outcome) -> None:
        self.decided += 1
        self.kept += outcome.sample is not None
        for step in outcome.passed:
            self.funnel.setdefault(step, collections.Counter())["kept"] += 1
        if outcome.at is not None and outcome.dropped is not None:
            self.funnel.setdefault(outcome.at, collections.Counter())[outcome.dropped.filter] += 1

    def steps(self, names: Sequence[Step]) -> list[FunnelStep]:
        """Given, kept and dropped of every step."""
        found = []
        for step in names:
            counts = self.funnel.get(step, collections.Counter())
            dropped = {name: counts[name] for name in sorted(counts) if name != "kept"}
            found.append(
                FunnelStep(
                    leaf_id=self.material.leaf.leaf_id,
                    step=step,
                    task=step if step in AUXILIARY else "",
                    given=counts.total(),
                    kept=counts["kept"],
                    dropped=dropped,
                )
            )
        return found


def _said(row: Row) -> dict[str, Any]:
    return {"question": row.question, "context": row.context}


def refusal_problem(said: str) -> StageProblem:
    """What to do about a server that refuses everything, by what it says."""
    words = said.casefold()
    if "chat template" in words or "chat_template" in words:
        advice = "The model has no chat template: plan the round with a profile that continues texts (generic-base)."
    elif "context" in words and ("length" in words or "token" in words or "window" in words):
        advice = "Its context is too small: serve it with a longer one, or choose a recipe with smaller chunks."
    else:
        advice = "Put right what it says on the server, or choose another teacher or profile; then try again."
    return StageProblem(
        code="teacher_refuses", message=f"The teacher refuses every request: {said[:300]}".rstrip(), advice=advice
    )


class Engine:
    """One generation. Build it, :meth:`resume`, :meth:`run`."""

    def __init__(
        self,
        materials: Sequence[Material],
        *,
        recipe: GenerationRecipe,
        random_seed: int,
        style: Style,
        client: TeacherClient,
        judge: Judge | None,
        parts: Parts,
        pipeline: Pipeline,
        made_by: MadeBy,
        max_in_flight: int,
        contexts_shown: int = 2,
        examples_shown: int = 3,
        judged_seeds: int = 24,
        benchmarks: frozenset[str] = frozenset(),
        report: Callable[[Progress], None] = lambda _progress: None,
    ) -> None:
        most = max(math.ceil(recipe.samples_per_leaf * recipe.attempts_factor), FEWEST_ATTEMPTS)
        self.states = [
            LeafState(material, recipe.samples_per_leaf, most)
            for material in materials
            if material.leaf.kind in KINDS and material.leaf.teaches
        ]
        self.recipe, self.random_seed, self.style, self.client = recipe, random_seed, style, client
        self.judge, self.parts, self.report = judge, parts, report
        self.content, self.made_by = pipeline.content, made_by
        self.rows_at_once = max(math.ceil(max_in_flight * ROWS_PER_SLOT), 1)
        self.contexts_shown, self.examples_shown = contexts_shown, examples_shown
        self.judged_seeds, self.benchmarks = judged_seeds, benchmarks
        self.filters = {kind: filters_of(pipeline.content, kind) for kind in KINDS}
        self.leaves = [state.material.leaf for state in self.states]
        # Leaves that are only scored here count as well: no sample may come near a seed that a release is asked.
        self.held_out = held_out_index([material.leaf for material in materials])
        self.discriminations: dict[LeafKind, Discrimination] = {}
        self.before = Spent()
        self._by_id = {state.material.leaf.leaf_id: state for state in self.states}
        self._verdicts: dict[LeafKind, asyncio.Task[Discrimination]] = {}
        self._buffer: list[Outcome] = []
        self._written = Spent()
        self._under_way: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[None]
        self._first = 0
        self._begun = 0.0
        # Rows that the server refused before it has answered any; None once it has.
        self._refused: list[tuple[LeafState, Outcome]] | None = []

    # -- going on

    def resume(self) -> None:
        """Take in what earlier attempts have written; nothing of it is asked again."""
        self.before = self.parts.spent()
        self.discriminations = self.parts.discriminations()
        for outcome in self.parts.outcomes():
            if (state := self._by_id.get(outcome.leaf_id)) is not None:
                self._refused = None
                state.count(outcome)
                state.done.add(outcome.index)
        open_leaves = {leaf_id for leaf_id, state in self._by_id.items() if state.done and not state.finished}
        for outcome in self.parts.outcomes() if open_leaves else ():
            if outcome.leaf_id in open_leaves:
                self._recall(self._by_id[outcome.leaf_id], outcome)

    def _recall(self, state: LeafState, outcome: Outcome) -> None:
        memory = self._remember(state)
        if "context" in outcome.passed and outcome.context:
            memory.contexts.add(outcome.context, "an earlier sample")
        if "question" in outcome.passed:
            memory.remember(outcome.question, outcome.context)

    def _filters_of(self, kind: LeafKind) -> tuple[Filter, ...]:
        """Every filter of a kind of leaf once, whatever the step."""
        return tuple({rule.name: rule for rules in self.filters[kind].values() for rule in rules}.values())

    def _remember(self, state: LeafState) -> LeafMemory:
        if state.memory is None:
            state.memory = new_memory(
                state.material.leaf,
                self.recipe,
                held_out=self.held_out,
                benchmarks=self.benchmarks,
                filters=self._filters_of(state.material.leaf.kind),
            )
            state.set_aside = state.memory.set_aside
        return state.memory

    # -- running

    async def run(self) -> None:
        """Until every leaf has what it wants or may ask no more. What is finished is written even when this fails.

        Raises:
            TeacherProblem: the teacher is gone.
        """
        self._begun = time.monotonic()
        self._report()
        self._ended = asyncio.get_running_loop().create_future()
        writing = asyncio.create_task(self._write_regularly())
        try:
            self._fill()
            await asyncio.wait({self._ended, writing}, return_when=asyncio.FIRST_COMPLETED)
            if not self._ended.done():
                await writing  # it ends by an error only, which is the one to tell
            await self._ended
            self._let_in_refused()
        finally:
            self._ended.cancel()
            tasks = [writing, *self._under_way, *self._verdicts.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._write()
            self._report()

    def _fill(self) -> None:
        """Begin rows while there are places and leaves that need them; the end is when none is under way any more.

        Called once for each row that ends, not by rows that wait: of thousands under way each costs the same.
        """
        while len(self._under_way) < self.rows_at_once and (chosen := self._next_row()) is not None:
            state, plan = chosen
            # A task of its own: rows that are no longer needed are cancelled one by one.
            task = asyncio.create_task(self._make(state, plan))
            state.tasks.add(task)
            self._under_way.add(task)
            task.add_done_callback(functools.partial(self._row_ended, state))
        if not self._under_way and not self._ended.done():
            self._ended.set_result(None)

    def _row_ended(self, state: LeafState, task: asyncio.Task[None]) -> None:
        state.tasks.discard(task)
        self._under_way.discard(task)
        problem = None if task.cancelled() else task.exception()
        if self._ended.done():
            return
        try:
            if problem is not None:
                raise problem
            self._let_go(state)
            self._fill()
        except BaseException as error:  # noqa: BLE001  # told by `run`, which waits for it
            # One cause stops all rows; the first is the one to tell.
            self._ended.set_exception(error)

    def _next_row(self) -> tuple[LeafState, RowPlan] | None:
        while self._first < len(self.states) and self.states[self._first].finished:
            self._let_go(self.states[self._first])
            self._first += 1
        for number in range(self._first, len(self.states)):
            state = self.states[number]
            while state.hungry:
                plan = self._next_plan(state)
                if plan is not None:
                    return state, plan
        return None

    def _next_plan(self, state: LeafState) -> RowPlan | None:
        """The next row that was not done before; None where it was, or where the leaf has nothing to show."""
        if state.plans is None:
            state.plans = self.plans(state.material)
        plan = next(state.plans, None)
        if plan is None:
            state.exhausted = True
            return None
        state.asked += 1
        return None if plan.index in state.done else plan

    def plans(self, material: Material) -> Iterator[RowPlan]:
        """The rows of a leaf from the first."""
        return plans_of(
            material,
            random_seed=self.random_seed,
            contexts_shown=self.contexts_shown,
            examples_shown=self.examples_shown,
            content=self.content,
        )

    async def _make(self, state: LeafState, plan: RowPlan) -> None:
        leaf = state.material.leaf
        row = Row(leaf, plan, self.made_by)
        making = Making(
            row,
            self.style,
            self.filters[leaf.kind],
            self._remember(state),
            self.judge,
            lambda: self._verdict(leaf.kind),
        )
        base: dict[str, Any] = {"leaf_id": leaf.leaf_id, "index": plan.index}
        try:
            await make_row(making, self.content.blocks_of(leaf.kind, plan.task))
        except Dropped as drop:
            score = None if drop.score is None else round(drop.score, 4)
            dropped = DroppedSample(sample=row.sample(), filter=drop.filter, reason=drop.reason, score=score)
            outcome = Outcome(**base, **_said(row), passed=tuple(making.passed), at=making.at, dropped=dropped)
        else:
            if state.kept >= state.wanted:
                return
            outcome = Outcome(**base, **_said(row), passed=tuple(making.passed), sample=row.sample())
        refused = outcome.dropped is not None and outcome.dropped.filter == REFUSED and not outcome.passed
        if refused and self._refused is not None:
            self._hold_back(state, outcome)
            return
        self._let_in_refused()
        self._take_in(state, outcome)
        if state.kept >= state.wanted:
            # Enough: what is still under way for this leaf would only be thrown away.
            for task in state.tasks - {asyncio.current_task()}:
                task.cancel()

    def _let_in_refused(self) -> None:
        for state, outcome in self._refused or ():
            self._take_in(state, outcome)
        self._refused = None

    def _take_in(self, state: LeafState, outcome: Outcome) -> None:
        state.done.add(outcome.index)
        state.count(outcome)
        self._buffer.append(outcome)

    def _hold_back(self, state: LeafState, outcome: Outcome) -> None:
        """A row refused by a server that has answered nothing yet: if it never does, the row was not really asked.

        Raises:
            TeacherProblem: it has refused MOST_REFUSED rows, or every row that there is to ask.
        """
        refused = self._refused if self._refused is not None else []
        refused.append((state, outcome))
        if len(refused) >= min(MOST_REFUSED, sum(each.most for each in self.states)):
            reason = outcome.dropped.reason if outcome.dropped is not None else ""
            raise TeacherProblem(refusal_problem(reason.removeprefix("The teacher's server refused the request: ")))

    async def _verdict(self, kind: LeafKind) -> Discrimination | None:
        """What the judge is worth on this kind of leaf, found out once."""
        if self.judge is None:
            return None
        if kind not in self.discriminations:
            if kind not in self._verdicts:
                self._verdicts[kind] = asyncio.create_task(
                    discrimination(
                        self.judge,
                        self.leaves,
                        kind,
                        random_seed=self.random_seed,
                        most_seeds=self.judged_seeds,
                        block=judge_block(self.content, kind),
                    )
                )
            found = await asyncio.shield(self._verdicts[kind])
            if kind not in self.discriminations:
                self.discriminations[kind] = found
                self.parts.write_discrimination(found)
        return self.discriminations[kind]

    def _let_go(self, state: LeafState) -> None:
        if state.finished and not state.tasks:
            state.memory, state.plans = None, None
            state.done.clear()

    # -- writing and telling

    @property
    def spent(self) -> Spent:
        """What was used in all, earlier attempts included."""
        return self.before + self._now()

    def _now(self) -> Spent:
        usage = self.client.usage
        seconds = time.monotonic() - self._begun if self._begun else 0.0
        return Spent(
            requests=usage.requests,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            seconds=seconds,
            in_flight_seconds=usage.mean_in_flight * seconds,
        )

    def _write(self) -> None:
        if not self._buffer:
            return
        now = self._now()
        since = Spent(**{name: getattr(now, name) - getattr(self._written, name) for name in Spent.model_fields})
        outcomes, self._buffer = self._buffer, []
        self.parts.write(outcomes, since)
        self._written = now

    async def _write_regularly(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            self._write()
            self._report()

    def _report(self) -> None:
        kept = sum(min(state.kept, state.wanted) for state in self.states)
        current = next((state for state in self.states[self._first :] if not state.finished), None)
        spent = self.spent
        self.report(
            Progress(
                done=kept,
                total=sum(state.wanted for state in self.states),
                unit="samples",
                message=f"Generating for {current.material.leaf.path}" if current else "Generated",
                figures={
                    "dropped": float(sum(state.decided - state.kept for state in self.states)),
                    "requests": float(spent.requests),
                    "tokens": float(spent.prompt_tokens + spent.completion_tokens),
                    "in_flight": float(self.client.usage.in_flight),
                    "tokens_per_second": round(spent.completion_tokens / spent.seconds, 1) if spent.seconds else 0.0,
                },
            )
        )
