"""The form on which a round is planned, and the filters of the samples page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from pydantic import ValidationError as SpecError

from taxonomy_app.rounds.model_checks import check_endpoint, check_model
from taxonomy_app.rounds.models import Round
from taxonomy_app.rounds.planning import recipe_with
from taxonomy_app.rounds.services.record import artifact_store
from taxonomy_app.tree.models import Branch, Leaf
from workers.pipelines import DEFAULT as DEFAULT_PIPELINE
from workers.pipelines import Pipeline, PipelineProblem, pipeline, pipeline_files
from workers.recipes import recipe, recipe_names
from workers.specs import BUNDLED_MODEL, FurtherEndpoint, ModelReference, Recipe, TeacherReference, is_key_variable

# Above this number of leaves single ones are not listed; folders are.
MOST_LISTED = 300
SOURCES = (
    ("auto", lazy("Started by the worker: vLLM, or else transformers")),
    ("vllm", lazy("Started by the worker: vLLM")),
    ("transformers", lazy("Started by the worker: transformers (slow)")),
    ("endpoint", lazy("A server that runs already (OpenAI-compatible)")),
)
# The names of workers.teacher.profiles, which the web does not import; a test holds them together.
PROFILES = (
    ("auto", lazy("By the model's name and chat template")),
    ("bundled-small", lazy("The bundled small model: continues a text")),
    ("generic-base", lazy("A base model: continues a text")),
    ("generic-instruct", lazy("An instruct model: follows a chat")),
    ("mixtral-8x7b-instruct", lazy("Mixtral-8x7B-Instruct, as in the paper")),
)
SCOPES = (
    ("all", lazy("All leaves")),
    ("new", lazy("Leaves that are new or changed since the last release")),
    ("some", lazy("Those ticked below")),
)


def recipe_choices() -> list[tuple[str, str]]:
    return [(name, recipe(name).title) for name in recipe_names()]


def pipeline_choices() -> list[tuple[str, str]]:
    return [(found.name, f"{found.content.title} ({found.name})") for found in pipelines()[0]]


def pipelines() -> tuple[list[Pipeline], list[str]]:
    """The pipelines that can be chosen, and a sentence for each file that cannot."""
    try:
        names = list(pipeline_files())
    except PipelineProblem as problem:
        return [pipeline(DEFAULT_PIPELINE, {})], [str(problem)]
    found, wrong = [], []
    for name in names:
        try:
            found.append(pipeline(name))
        except PipelineProblem as problem:
            wrong.append(str(problem))
    return found, wrong


@dataclass
class LeafGroup:
    """A folder in the list of leaves: the second level of the tree, such as ``compositional_skills/writing``."""

    folder: str
    leaves: list[Leaf] = field(default_factory=list)


@dataclass
class LeafBranch:
    name: str
    title: str
    count: int = 0
    groups: list[LeafGroup] = field(default_factory=list)


class RoundForm(forms.Form):
    """What a round is made of. Only ``recipe`` must be given; ``views.round_new`` describes every field."""

    title = forms.CharField(
        label=lazy("Name"), max_length=120, required=False, help_text=lazy("Empty: “Round” and its number.")
    )
    choose = forms.ChoiceField(
        label=lazy("Leaves"),
        choices=SCOPES,
        widget=forms.RadioSelect(attrs={"class": "radio radio-primary radio-sm"}),
        initial="all",
    )
    folders = forms.MultipleChoiceField(label=lazy("Folders"), required=False, widget=forms.CheckboxSelectMultiple)
    leaves = forms.TypedMultipleChoiceField(
        label=lazy("Single leaves"), required=False, coerce=UUID, widget=forms.CheckboxSelectMultiple
    )
    recipe = forms.ChoiceField(label=lazy("Recipe"), choices=recipe_choices, widget=forms.RadioSelect)
    samples_per_leaf = forms.IntegerField(
        label=lazy("Samples for each leaf"),
        min_value=1,
        max_value=100_000,
        required=False,
        help_text=lazy("How many should be left after the filters. Empty: as in the recipe."),
    )
    control = forms.ChoiceField(
        label=lazy("Control arm"),
        choices=(
            ("recipe", lazy("As in the recipe")),
            ("yes", lazy("Yes: also tune a student without replay")),
            ("no", lazy("No")),
        ),
        initial="recipe",
        help_text=lazy("Shows what replay keeps from being forgotten. Doubles the time of tuning."),
    )
    held_out_percent = forms.IntegerField(
        label=lazy("Seeds held out, in percent"),
        min_value=0,
        max_value=90,
        required=False,
        help_text=lazy("Kept from teacher and student, and used to score the leaf. Empty: as in the recipe."),
    )
    benchmark_limit = forms.IntegerField(
        label=lazy("Items of each benchmark, at most"), min_value=1, max_value=1_000_000, required=False
    )
    random_seed = forms.IntegerField(
        label=lazy("Random seed"),
        min_value=0,
        max_value=2**31 - 1,
        required=False,
        help_text=lazy("The same seed and inputs give the same data. Empty: the round's number."),
    )
    teacher_source = forms.ChoiceField(label=lazy("Where the teacher answers"), choices=SOURCES, initial="auto")
    teacher_model = forms.CharField(
        label=lazy("Teacher's model"),
        max_length=500,
        initial=BUNDLED_MODEL,
        help_text=lazy(
            "The bundled model, a folder, owner/model of the hub, or the name that the running server knows."
        ),
    )
    teacher_revision = forms.CharField(label=lazy("Revision"), max_length=100, required=False)
    teacher_url = forms.CharField(
        label=lazy("URL of the running server"),
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "http://teacher:8000/v1", "inputmode": "url"}),
    )
    teacher_key_variable = forms.CharField(
        label=lazy("Variable with the key"),
        max_length=100,
        required=False,
        help_text=lazy(
            "The name of the worker's environment variable that holds the key, such as "
            "SEEDBED_TEACHER_KEY or OPENAI_API_KEY; never the key itself."
        ),
    )
    teacher_in_flight = forms.IntegerField(
        label=lazy("Requests at once"),
        min_value=1,
        max_value=4096,
        required=False,
        help_text=lazy("Empty: 16. A server on a GPU is busy only with many more."),
    )
    teacher_further = forms.CharField(
        label=lazy("More servers of the same model"),
        max_length=5000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "http://teacher-2:8000/v1 64"}),
        help_text=lazy("One a line: its URL and, after a space, how many requests it takes at once."),
    )
    teacher_profile = forms.ChoiceField(label=lazy("How it is prompted"), choices=PROFILES, initial="auto")
    student = forms.ChoiceField(label=lazy("Student"), widget=forms.RadioSelect)
    student_name = forms.CharField(
        label=lazy("Another student"),
        max_length=500,
        required=False,
        help_text=lazy("A folder (/models/my-student), owner/model of the hub, or artifact:… of an earlier round."),
    )
    student_revision = forms.CharField(label=lazy("Revision"), max_length=100, required=False)
    seen_by_workers = forms.BooleanField(
        label=lazy("The workers see folders and servers that this server does not"), required=False
    )
    pipeline = forms.ChoiceField(
        label=lazy("Pipeline"),
        choices=pipeline_choices,
        initial=DEFAULT_PIPELINE,
        help_text=lazy("The prompts, filters and judges by which samples come to be."),
    )
    judge = forms.ChoiceField(
        label=lazy("Judge"),
        choices=(
            ("recipe", lazy("As in the recipe")),
            ("token", lazy("Grades in one token, from the probabilities")),
            ("written", lazy("Writes down why, then grades: to compare with, about a hundred times the tokens")),
            ("none", lazy("None: filters alone decide")),
        ),
        initial="recipe",
        help_text=lazy("For a teacher that can grade; one that cannot judges by likelihood."),
    )
    holds = forms.BooleanField(
        label=lazy("Wait after generation, so that I can read, restore and reject rows before the student is tuned"),
        required=False,
    )
    planned_from = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, leaves: Iterable[Leaf], **kwargs: Any) -> None:
        """``leaves`` are all that are in the taxonomy now."""
        from taxonomy_app.releases.queries import current_release

        super().__init__(*args, **kwargs)
        self.all_leaves = list(leaves)
        self.usable = [leaf for leaf in self.all_leaves if leaf.seed_count and not leaf.problem]
        self.release = current_release()
        self.branches = _branches(self.usable)
        folders = [branch.name for branch in self.branches]
        folders += [group.folder for branch in self.branches for group in branch.groups]
        self.fields["folders"].choices = [(folder, folder) for folder in folders]  # type: ignore[attr-defined]
        self.fields["leaves"].choices = [(str(leaf.leaf_id), leaf.path) for leaf in self.usable]  # type: ignore[attr-defined]
        students = [("bundled", _("The bundled small model (SmolLM2-135M-Instruct)"))]
        if self.release is not None:
            students.insert(0, ("release", _("The current release, %(name)s") % {"name": self.release.name}))
        students.append(("other", _("Another model")))
        self.fields["student"].choices = students  # type: ignore[attr-defined]
        self.fields["student"].initial = students[0][0]
        self.fields["recipe"].initial = recipe_names()[0]
        if self.is_bound:
            self._fill_in()

    def _fill_in(self) -> None:
        """Give the fields that a program left out the value that a person would have found in them."""
        data = self.data.copy()
        for name in ("control", "judge", "pipeline", "teacher_source", "teacher_model", "teacher_profile"):
            data.setdefault(name, self.fields[name].initial)
        data.setdefault("student", "other" if data.get("student_name") else self.fields["student"].initial)
        data.setdefault("choose", "some" if data.get("leaves") or data.get("folders") else "all")
        self.data = data

    @property
    def lists_leaves(self) -> bool:
        return len(self.usable) <= MOST_LISTED

    @cached_property
    def recipes(self) -> list[Recipe]:
        return [recipe(name) for name in recipe_names()]

    @cached_property
    def pipelines(self) -> tuple[list[Pipeline], list[str]]:
        return pipelines()

    def ticked(self, name: str) -> set[str]:
        """What is ticked now in ``folders`` or ``leaves``."""
        return {str(value) for value in (self[name].value() or ())}

    @cached_property
    def ticked_folders(self) -> set[str]:
        return self.ticked("folders")

    @cached_property
    def ticked_leaves(self) -> set[str]:
        return self.ticked("leaves")

    @cached_property
    def new_leaf_ids(self) -> set[UUID]:
        return new_since_last_release(self.usable)

    # -- checks, each at its field

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self._clean_leaves(data)
        self._clean_recipe(data)
        self._clean_teacher(data)
        self._clean_student(data)
        if "pipeline" in data:
            try:
                data["pipeline_pin"] = pipeline(data["pipeline"]).pin
            except PipelineProblem as problem:  # changed since the form was shown
                self.add_error("pipeline", str(problem))
        return data

    def clean_teacher_key_variable(self) -> str:
        name: str = self.cleaned_data["teacher_key_variable"]
        if name and not is_key_variable(name):
            # What was written is not repeated: it may be the key.
            raise ValidationError(
                _("Write the name of a variable that begins with SEEDBED_TEACHER_KEY or ends in _API_KEY; not the key.")
            )
        return name

    def _clean_leaves(self, data: dict[str, Any]) -> None:
        choose = data.get("choose")
        if choose is None:
            return
        if choose == "all":
            chosen = {leaf.leaf_id for leaf in self.usable}
        elif choose == "new":
            chosen = self.new_leaf_ids
            if not chosen and self.usable:
                self.add_error("choose", _("Nothing is new since the last release. Choose other leaves."))
                return
        else:
            chosen = set(data.get("leaves") or ())
            folders = tuple(f"{folder}/" for folder in data.get("folders") or ())
            chosen |= {leaf.leaf_id for leaf in self.usable if leaf.path.startswith(folders)} if folders else set()
        if not chosen and "leaves" not in self.errors and "folders" not in self.errors:
            self.add_error(
                "choose", _("Choose at least one leaf.") if self.usable else _("The taxonomy has no leaves yet.")
            )
        data["leaf_ids"] = chosen

    def _clean_recipe(self, data: dict[str, Any]) -> None:
        if "recipe" not in data:
            return
        control = {"yes": True, "no": False}.get(data.get("control") or "")
        percent = data.get("held_out_percent")
        try:
            data["made_recipe"] = recipe_with(
                recipe(data["recipe"]),
                samples_per_leaf=data.get("samples_per_leaf"),
                control=control,
                held_out_share=None if percent is None else percent / 100,
                benchmark_limit=data.get("benchmark_limit"),
                judge=None if data.get("judge") == "recipe" else data.get("judge"),
            )
        except SpecError as error:
            self.add_error("recipe", str(error.errors()[0]["msg"]))

    def _clean_teacher(self, data: dict[str, Any]) -> None:
        seen = bool(data.get("seen_by_workers"))
        if not {"teacher_source", "teacher_model", "teacher_profile"} <= data.keys():
            return
        source = data["teacher_source"]
        model = ModelReference(name=data["teacher_model"], revision=data.get("teacher_revision") or None)
        url = data.get("teacher_url") or ""
        if source == "endpoint":
            try:
                if not url:
                    raise ValidationError(_("Write the URL of the teacher's server, such as http://teacher:8000/v1."))
                url = check_endpoint(url, seen_by_workers=seen)
            except ValidationError as error:
                self.add_error("teacher_url", error)
        elif url:
            self.add_error(
                "teacher_url", _("This URL would not be used: choose the running server, or empty the field.")
            )
        else:
            try:
                check_model(model, artifact_store(), seen_by_workers=seen)
            except ValidationError as error:
                self.add_error("teacher_model", error)
        further = self._further_servers(data, seen) if source == "endpoint" else ()
        if data.get("teacher_further") and source != "endpoint":
            self.add_error(
                "teacher_further", _("These would not be used: choose the running server, or empty the field.")
            )
        data["teacher"] = TeacherReference(
            source=source,
            model=model,
            url=url or None,
            further=further,
            max_in_flight=data.get("teacher_in_flight") or TeacherReference().max_in_flight,
            key_variable=data.get("teacher_key_variable") or None,
            profile=data["teacher_profile"],
        )

    def _further_servers(self, data: dict[str, Any], seen: bool) -> tuple[FurtherEndpoint, ...]:
        found = []
        for line in data.get("teacher_further", "").splitlines():
            url, _space, number = line.strip().partition(" ")
            if not url:
                continue
            most = number.strip() or str(data.get("teacher_in_flight") or TeacherReference().max_in_flight)
            try:
                if not most.isdecimal() or not 1 <= int(most) <= 4096:
                    raise ValidationError(
                        _("“%(line)s” must be a URL and a number from 1 to 4096.") % {"line": line.strip()}
                    )
                found.append(FurtherEndpoint(url=check_endpoint(url, seen_by_workers=seen), max_in_flight=int(most)))
            except ValidationError as error:
                self.add_error("teacher_further", error)
        return tuple(found)

    def _clean_student(self, data: dict[str, Any]) -> None:
        choice = data.get("student")
        if choice is None:
            return
        revision = None
        if choice == "bundled":
            name = BUNDLED_MODEL
        elif choice == "release" and self.release is not None:
            name = self.release.student_model
        else:
            name, revision = data.get("student_name") or "", data.get("student_revision") or None
        if not name:
            self.add_error("student_name", _("Write which model is to be tuned."))
            return
        data["student_reference"] = ModelReference(name=name, revision=revision)
        try:
            check_model(data["student_reference"], artifact_store(), seen_by_workers=bool(data.get("seen_by_workers")))
        except ValidationError as error:
            self.add_error("student_name" if choice == "other" else "student", error)


def _branches(leaves: list[Leaf]) -> list[LeafBranch]:
    found: dict[str, LeafBranch] = {}
    groups: dict[str, LeafGroup] = {}
    for leaf in leaves:
        segments = leaf.path.split("/")
        branch = found.setdefault(leaf.branch, LeafBranch(leaf.branch, Branch(leaf.branch).label))
        branch.count += 1
        # A leaf right below its branch stands in a group of the branch's own name.
        folder = "/".join(segments[:2]) if len(segments) > 2 else segments[0]
        if folder not in groups:
            groups[folder] = LeafGroup(folder)
            branch.groups.append(groups[folder])
        groups[folder].leaves.append(leaf)
    return list(found.values())


def new_since_last_release(leaves: Iterable[Leaf]) -> set[UUID]:
    """Leaves whose present version no release's round has taught."""
    from taxonomy_app.rounds.models import RoundLeaf

    latest = Round.objects.filter(release__isnull=False).newest_first().values("pk")
    taught = set(RoundLeaf.objects.filter(round__in=latest, taught_count__gt=0).values_list("leaf_id", "blob"))
    return {leaf.leaf_id for leaf in leaves if (leaf.leaf_id, leaf.blob) not in taught}


def initial_from(earlier: Round) -> dict[str, Any]:
    """The form filled in as an earlier round was planned."""
    plan = earlier.read_plan()
    teacher, made = plan.teacher, plan.recipe
    known = {name: recipe(name) for name in recipe_names()}
    base = known.get(made.name)
    initial: dict[str, Any] = {
        "choose": "some",
        "leaves": [pin.leaf_id for pin in plan.leaves if pin.teaches],
        "recipe": made.name if base else recipe_names()[0],
        "samples_per_leaf": made.generation.samples_per_leaf,
        "control": "yes" if made.tuning.control != "none" else "no",
        "pipeline": plan.pipeline.name if plan.pipeline is not None else DEFAULT_PIPELINE,
        "judge": made.generation.judge_form if made.generation.judge else "none",
        "held_out_percent": round(made.held_out_share * 100),
        "benchmark_limit": made.evaluation.limit,
        "random_seed": plan.random_seed,
        "teacher_source": teacher.source,
        "teacher_model": teacher.model.name,
        "teacher_revision": teacher.model.revision or "",
        "teacher_url": teacher.url or "",
        "teacher_key_variable": teacher.key_variable or "",
        "teacher_in_flight": teacher.max_in_flight,
        "teacher_further": "\n".join(f"{other.url} {other.max_in_flight}" for other in teacher.further),
        "teacher_profile": teacher.profile,
        "holds": earlier.holds,
        "planned_from": earlier.pk,
    }
    if plan.student.name == BUNDLED_MODEL:
        initial["student"] = "bundled"
    else:
        initial |= {
            "student": "other",
            "student_name": plan.student.name,
            "student_revision": plan.student.revision or "",
        }
    return initial
