"""The inputs: CSV files with the same content in every run."""

import csv
import gzip
import random
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

FILES = 500
# Peers that would take minutes load the first tenth or the first hundredth of a file.
FRACTIONS = [10, 100]


@dataclass(frozen=True)
class Input:
    """One or more CSV files with the same columns. Paths are relative to the working directory."""

    name: str
    table: str
    pattern: str
    index: str
    kind: str = "csv"  # or "gz", "files" and "pipeline"
    notes: str = ""
    facts: dict = field(default_factory=dict, compare=False)

    @property
    def label(self):
        """The name, after the folder of a part."""
        folder = f"{self.pattern.split('/')[0]}/" if self.pattern.startswith("part-") else ""
        return folder + self.name

    def paths(self, directory):
        return sorted(path.relative_to(directory) for path in directory.glob(self.pattern))

    def records(self, directory):
        """The header, then the records."""
        for number, path in enumerate(self.paths(directory)):
            open_text = gzip.open if self.kind == "gz" else open
            with open_text(directory / path, "rt", newline="", encoding="utf-8") as file:
                reader = csv.reader(file)
                header = next(reader)
                if number == 0:
                    yield header
                yield from reader


INPUTS = {
    input.name: input
    for input in [
        Input("people", "people", "people.csv", "last_name", notes="3 short columns"),
        Input("orders", "orders", "orders.csv", "customer", notes="6 columns; quotes and quoted line ends"),
        Input("numbers", "numbers", "numbers.csv", "n1", notes="40 numeric columns"),
        Input("text", "text", "text.csv", "id", notes="3 columns; quoted text of 2 KB on average"),
        Input("quoted", "quoted", "quoted.csv", "last_name", notes="people, every field quoted"),
        Input("files", "files", "files/*.csv", "last_name", "files", f"people in {FILES} small files"),
        Input("gz", "people", "people.csv.gz", "last_name", "gz", "people, compressed by gzip"),
        Input("pipeline", "people", "people.csv", "last_name", "pipeline", "people, by data/people.sql: 2 computed columns and a key"),
    ]
}


def people(sqload, path, rows):
    command = [sqload, "create-file", "--force", "-q", "--seed", "1", "--number-rows", str(rows), "-o", str(path)]
    subprocess.run(command, check=True)


def generate(directory, sqload, speed_files, rows, report):
    """Writes all inputs, unless they are there already. `people` have `rows` records; the other files are in proportion."""
    stamp = directory / "inputs.txt"
    if stamp.exists() and stamp.read_text() == f"{rows}\n":
        return
    report(f"generating the inputs for {rows:,} people")
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "files").mkdir(parents=True)
    people(sqload, directory / "people.csv", rows)
    subprocess.run([speed_files, directory, str(rows * 600_000 // 2_500_000)], check=True)
    long_text(directory / "text.csv", rows // 100)
    quoted(directory / "people.csv", directory / "quoted.csv")
    many_files(directory / "people.csv", directory / "files", rows // 5)
    compress(directory / "people.csv", directory / "people.csv.gz")
    for fraction in FRACTIONS:
        folder = directory / f"part-{fraction}"
        folder.mkdir()
        for name in ["people", "orders", "numbers", "text", "quoted"]:
            first_part(directory / f"{name}.csv", folder / f"{name}.csv", fraction)
        compress(folder / "people.csv", folder / "people.csv.gz")
    stamp.write_text(f"{rows}\n")


def long_text(path, rows):
    generator = random.Random(3)
    words = "lorem ipsum dolor sit amet, consectetur adipiscing elit; sed do \"eiusmod\" tempor\nincididunt ut labore".split(" ")
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow(["id", "title", "body"])
        for number in range(1, rows + 1):
            body = " ".join(generator.choices(words, k=generator.randrange(1, 600)))
            writer.writerow([number, f"title {number}", body])


def quoted(source, target):
    with open(source, newline="") as people, open(target, "w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(csv.reader(people))


def many_files(source, directory, rows):
    with open(source, newline="") as people:
        header = next(people)
        for number in range(FILES):
            with open(directory / f"{number:03}.csv", "w", newline="") as file:
                file.write(header)
                file.writelines(line for line, _ in zip(people, range(max(rows // FILES, 1))))


def compress(source, target):
    with open(source, "rb") as plain, gzip.GzipFile(target, "wb", compresslevel=6, mtime=0) as file:
        shutil.copyfileobj(plain, file, 1 << 20)


def first_part(source, target, fraction):
    """The first part of a file, up to the end of a record."""
    end = source.stat().st_size // fraction
    with open(source, newline="", encoding="utf-8") as whole, open(target, "w", newline="", encoding="utf-8") as file:
        size, quotes = 0, 0
        for line in whole:
            file.write(line)
            size += len(line)
            quotes += line.count('"')
            if size >= end and quotes % 2 == 0:
                break


def part(input, fraction):
    """The first part of an input."""
    if fraction == 1:
        return input
    pattern, notes = f"part-{fraction}/{input.pattern}", f"1/{fraction} of {input.name}"
    return Input(input.name, input.table, pattern, input.index, input.kind, notes)


def measure_input(input, directory):
    """Counts what the input has, which also brings it into the page cache."""
    count = -1
    for record in input.records(directory):
        if count < 0:
            columns = len(record)
        count += 1
    paths = input.paths(directory)
    size = sum((directory / path).stat().st_size for path in paths)
    input.facts.update(rows=count, columns=columns, files=len(paths), bytes=size, notes=input.notes)
