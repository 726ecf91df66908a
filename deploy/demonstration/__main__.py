"""``make demo``: everything up, the main job once through the pages, the score table, and the site stays up."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import requests

from deploy.browsing import Browser, PageProblem
from deploy.demonstration import contribution, tuning_round
from deploy.demonstration.contribution import PATH, Account
from deploy.supervisor import RunProblem, Supervisor
from workers.environment import PROJECT


class Clock:
    """Says each line with the time since the beginning."""

    def __init__(self) -> None:
        self.begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def say(self, text: str) -> None:
        minutes, seconds = divmod(int(self.seconds), 60)
        print(f"[{minutes:2}:{seconds:02}] {text}", flush=True)


def open_accounts() -> dict[str, Account]:
    """Open the demonstration's accounts; role → account, as the command prints them."""
    command = [sys.executable, str(PROJECT / "manage.py"), "open_demo_accounts"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["the command said nothing"])[-1]
        raise RunProblem(f"The demonstration's accounts cannot be opened: {said}")
    rows = json.loads(done.stdout.strip().splitlines()[-1])
    return {row["role"]: Account(row["username"], row["password"]) for row in rows}


def contribute(address: str, accounts: dict[str, Account], say: tuning_round.Say) -> None:
    """A new leaf from the form to the taxonomy; nothing where it is there already."""
    rosa = contribution.sign_in(address, accounts["contributor"])
    if contribution.leaf_present(rosa):
        say(f"{PATH} is in the taxonomy already.")
        return
    waiting = contribution.submission_under_way(rosa)
    submission = waiting or contribution.submit_leaf(rosa, say)
    emeka = contribution.sign_in(address, accounts["reviewer"])
    contribution.approve_leaf(emeka, submission, say)
    contribution.await_commit(rosa, submission, say)


def tune(ines: Browser, supervisor: Supervisor, say: tuning_round.Say) -> str:
    """A round to its end: the one under way, or the newest that made a release, or a new one. Returns the release."""
    for url in tuning_round.rounds(ines):
        release = tuning_round.release_of(ines, url)
        if release is not None:
            say(f"An earlier call has made a release already: {release}")
            return release
    under_way = next(iter(tuning_round.rounds(ines)), None)
    if under_way is None:
        under_way = tuning_round.plan(ines, PATH, say).url
    else:
        say(f"A round of an earlier call goes on: {under_way}")
    tuning_round.go_on(ines, under_way)
    state = tuning_round.follow(ines, under_way, say, supervisor.watch)
    release = tuning_round.release_of(ines, under_way)
    if state != "done" or release is None:
        raise PageProblem(f"The round ended as “{state}” without a release; its page says why: {under_way}")
    return release


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.demonstration", description=__doc__)
    parser.add_argument(
        "--leave", action="store_true", help="stop everything at the end instead of leaving the site up"
    )
    options = parser.parse_args()
    clock = Clock()
    try:
        accounts = open_accounts()
        clock.say("Starting Redis, the site, the workers and beat.")
        with Supervisor(clock.say) as supervisor:
            clock.say(f"The site answers at {supervisor.address}")
            contribute(supervisor.address, accounts, clock.say)
            supervisor.watch()
            ines = contribution.sign_in(supervisor.address, accounts["administrator"])
            release = tune(ines, supervisor, clock.say)
            tuning_round.announce(ines, release)
            found = tuning_round.scores(ines, release)
            print()
            for line in tuning_round.table(found):
                print(line)
            print()
            clock.say(f"The release with all of this and where it came from: {release}")
            clock.say(f"The site stays up at {supervisor.address}; Ctrl-C stops everything. Its accounts:")
            for role, account in accounts.items():
                print(f"        {role:14} {account.username:8} {account.password}")
            print(json.dumps({"release": release, "seconds": round(clock.seconds, 1)}), flush=True)
            if not options.leave:
                supervisor.run_until_interrupted()
    except KeyboardInterrupt:
        return 0
    except (RunProblem, PageProblem, ValueError) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except requests.RequestException as error:
        print(f"\nThe site does not answer any more: {error}. Its log is var/log/web.log.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nThe demonstration cannot go on: {error.strerror or error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
