"""InstructLab's own generation, run by the benchmark with the Python of an environment that has ``instructlab-sdg``.

Its ``full`` pipelines, its own post-processing and mixing, started from its own preprocessed format: what it makes of
documents beforehand does not count against it. One argument: a JSON file with ``url``, ``model``, ``leaves`` (of each:
``path``, ``kind`` and the rows) and ``folder``. The last line on standard output is one line of JSON.
"""

import json
import sys
import time
from pathlib import Path

import openai
from instructlab.sdg.generate_data import generate_taxonomy, mix_datasets, postprocess_taxonomy

# Its own default: a leaf's prompts go to the server in one request. In batches on threads it forks its pools of
# processes from these threads, which does not always come to an end.
BATCH = 0


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(given["folder"])
    for name in ("preprocessed", "generated", "mixed"):
        (folder / name).mkdir(parents=True)
    for leaf in given["leaves"]:
        name = leaf["path"].replace("/", "_")
        rows = [{**row, "leaf_node_type": leaf["kind"], "leaf_node_path": name} for row in leaf["rows"]]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "preprocessed" / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    begun = time.monotonic()
    client = openai.OpenAI(base_url=given["url"], api_key=given.get("key") or "none", timeout=900)
    generate_taxonomy(
        client,
        input_dir=str(folder / "preprocessed"),
        output_dir=str(folder / "generated"),
        model_family="mixtral",
        model_id=given["model"],
        batch_size=BATCH,
        pipeline="full",
        console_output=False,
    )
    generating = time.monotonic() - begun
    files = sorted((folder / "generated").glob("*.jsonl"))
    if files:
        postprocess_taxonomy(
            input_dir=str(folder / "generated"),
            output_dir=str(folder / "mixed"),
            date_suffix="run",
            pipeline="full",
        )
        for kind in ("skills", "knowledge"):
            mix_datasets(
                recipe_file=str(folder / "mixed" / f"{kind}_recipe_run.yaml"),
                output_file=str(folder / "mixed" / f"{kind}_train_msgs_run.jsonl"),
            )
    seconds = time.monotonic() - begun
    accepted = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
    print(json.dumps({"accepted": accepted, "seconds": seconds, "generating_seconds": generating}))


if __name__ == "__main__":
    main()
