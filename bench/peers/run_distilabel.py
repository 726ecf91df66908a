"""distilabel's own tasks from seeds to judged pairs, run by the benchmark: SelfInstruct, TextGeneration, UltraFeedback.

One argument: a JSON file with ``url``, ``model``, ``in_flight``, ``leaves`` and ``repeats`` (so many times five
instructions are asked for of each seed). The last line on standard output is one line of JSON.
"""

import json
import sys
import time
from pathlib import Path

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import ExpandColumns, LoadDataFromDicts, StepInput, step
from distilabel.steps.tasks import SelfInstruct, TextGeneration, UltraFeedback

# "Very good" on UltraFeedback's scale of five.
KEPT = 4


@step(inputs=["generation"], outputs=["generations"])
def listed(inputs: StepInput):  # type: ignore[no-untyped-def]  # distilabel reads this annotation
    """One answer as the list that the judge takes."""
    for row in inputs:
        row["generations"] = [row["generation"]]
    yield inputs


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    seeds = [{"input": row["seed_question"]} for leaf in given["leaves"] for row in leaf["rows"]]

    def model(tokens: int) -> OpenAILLM:
        return OpenAILLM(
            model=given["model"],
            base_url=given["url"],
            api_key=given.get("key") or "none",
            generation_kwargs={"max_new_tokens": tokens, "temperature": 0.7},
            timeout=900,
        )

    begun = time.monotonic()
    size = given["in_flight"]
    with Pipeline(name="seedbed-benchmark") as pipeline:
        load = LoadDataFromDicts(data=seeds * given["repeats"], batch_size=size)
        instruct = SelfInstruct(llm=model(1024), num_instructions=5, input_batch_size=size)
        expand = ExpandColumns(columns={"instructions": "instruction"}, input_batch_size=size)
        answer = TextGeneration(llm=model(1024), input_batch_size=size)
        wrap = listed(input_batch_size=size)
        judge = UltraFeedback(llm=model(512), aspect="overall-rating", input_batch_size=size)
        load >> instruct >> expand >> answer >> wrap >> judge
    made = pipeline.run(use_cache=False)["default"]["train"]
    kept = {row["instruction"] for row in made if row["ratings"] and (row["ratings"][0] or 0) >= KEPT}
    seconds = time.monotonic() - begun
    print(json.dumps({"accepted": len(kept), "seconds": seconds, "generating_seconds": seconds}))


if __name__ == "__main__":
    main()
