"""sdg-hub's own flow from a document to questions, answers and a judgement, run by the benchmark.

Of its flows for documents the one with the fewest requests (``doc_direct_qa``). One argument: a JSON file with ``url``,
``model``, ``in_flight`` and ``leaves``. The last line on standard output is one line of JSON.
"""

import json
import sys
import time
from pathlib import Path

import pandas
import sdg_hub
from sdg_hub.core.flow import Flow

FLOW = "flows/knowledge_infusion/enhanced_multi_summary_qa/doc_direct_qa/flow.yaml"


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rows = [row for leaf in given["leaves"] for row in leaf["rows"]]
    begun = time.monotonic()
    flow = Flow.from_yaml(str(Path(sdg_hub.__file__).parent / FLOW))
    flow.set_model_config(
        model=f"hosted_vllm/{given['model']}", api_base=given["url"], api_key=given.get("key") or "none"
    )
    made = flow.generate(pandas.DataFrame(rows), max_concurrency=given["in_flight"])
    seconds = time.monotonic() - begun
    print(json.dumps({"accepted": len(made), "seconds": seconds, "generating_seconds": seconds}))


if __name__ == "__main__":
    main()
