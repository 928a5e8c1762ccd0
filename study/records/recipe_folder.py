"""The folder of a recipe's runs: as a study's, but for its plan and the network that it keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_core.errors import UserError
from mnist_core.runtime.atomic_files import write_json
from study.plans.recipe import RecipePlan
from study.records.run_folder import Record, Row, RunFolder, damaged_plan

SCHEMA = 1
KIND = "recipe"


def is_recipe(path: Path) -> bool:
    """Tell whether a folder holds a recipe's runs."""
    try:
        header = json.loads((path / "plan.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(header, dict) and header.get("kind") == KIND


def open_folder(path: Path) -> RunFolder:
    """Return the folder of a study, or of a recipe's runs, as what it is."""
    return RecipeFolder(path) if is_recipe(path) else RunFolder(path)


@dataclass(frozen=True)
class RecipeFolder(RunFolder):
    """The files of a recipe's runs."""

    def begin(self, plan: RecipePlan, *, data: dict[str, Any], started: str) -> None:
        """Make the folders and write the plan; an existing run is never touched."""
        if self.plan_file.exists():
            raise UserError(
                f"{self.path} already holds a run; go on with it with --resume, or name another "
                "--output"
            )
        self.make_folders()
        header = {"schema": SCHEMA, "kind": KIND, "started": started, "plan": plan.to_dict()}
        write_json(self.plan_file, {**header, "data": data})

    def read_header(self) -> dict[str, Any]:
        """Read plan.json: its plan, data and start."""
        if not is_recipe(self.path):
            raise UserError(f"{self.path} holds no run of a recipe")
        try:
            header: dict[str, Any] = json.loads(self.plan_file.read_text())
            if header["schema"] != SCHEMA:
                raise UserError(
                    f"{self.plan_file} must have schema {SCHEMA}, got {header['schema']!r}"
                )
            header["plan"] = RecipePlan.from_dict(header["plan"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise damaged_plan(self.plan_file, error) from error
        return header

    def require(self, plan: RecipePlan, *, data: dict[str, Any]) -> None:
        """Raise `UserError` unless the folder holds runs of the same plan on the same data."""
        header = self.read_header()
        theirs, ours = header["plan"].to_dict(), plan.to_dict()
        different = [
            f"{name} was {theirs[name]!r}, now {ours[name]!r}"
            for name in ours
            if theirs[name] != ours[name]
        ]
        if different:
            raise UserError(
                f"the run in {self.path} began with other options: {'; '.join(different)}. Go on "
                "with its own, or start anew in another --output."
            )
        if header["data"]["sha256"] != data["sha256"]:
            raise UserError(f"the run in {self.path} began with other data than are here now")
        self.make_folders()

    def read_runs(self) -> list[Record]:
        """Read the recipe's finished runs, in the order of their seeds."""
        records = self.read_records()
        keys = self.read_header()["plan"].run_configs()
        return [records[key] for key in keys if key in records]

    def numbered_rows(self) -> list[Row]:
        """List the finished runs as the report counts them."""
        return [("confirmation", n, run) for n, run in enumerate(self.read_runs(), start=1)]

    def read_references(self) -> dict[str, list[Record]]:
        """Read what other recipes took, by name."""
        found: dict[str, list[Record]] = {}
        for key, record in self.read_records().items():
            if key.startswith("reference-"):
                found.setdefault(record["name"], []).append(record)
        return found
