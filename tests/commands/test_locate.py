from __future__ import annotations

import json

import pytest

from unslow.cli import main

GRAPH = "caller,callee\nfront,store\n"


def series(steps, fault=()):
    rows = ["n,front,front,store,store", "m,requests,latency,requests,latency", "s,Sum,Average,Sum,Average"]
    for step in range(steps):
        noise = ((step * 7) % 5 - 2) / 1000
        added = 0.05 if step in fault else 0.0
        rows.append(f"{step * 60},100,{0.1 + noise + added},100,{0.02 + noise / 2 + added}")
    return "\n".join(rows) + "\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "graph.csv").write_text(GRAPH)
    (tmp_path / "normal.csv").write_text(series(100))
    (tmp_path / "ill.csv").write_text(series(5, fault=(2, 3)))
    (tmp_path / "well.csv").write_text(series(5))
    return tmp_path


def arguments(files, metrics, *more):
    return [
        "locate", "--target", "front", "--graph", str(files / "graph.csv"), "--metrics", str(files / metrics),
        "--normal", str(files / "normal.csv"), *more,
    ]  # fmt: skip


def test_a_fault_is_ranked_and_sets_the_exit_code(files, capsys):
    assert main(arguments(files, "ill.csv")) == 1
    out = capsys.readouterr().out
    assert "50.5 ms more per request" in out
    assert out.split("why\n")[1].startswith("store")


def test_json_holds_every_node(files, capsys):
    assert main(arguments(files, "ill.csv", "--json", "--at", "100")) == 1
    found = json.loads(capsys.readouterr().out)
    assert [one["node"] for one in found["nodes"]] == ["store", "front"]
    assert found["nodes"][0]["own"] == pytest.approx(0.05, rel=0.1)
    assert found["chance"] < 0.05


def test_nothing_unusual_is_said(files, capsys):
    assert main(arguments(files, "well.csv")) == 0
    assert capsys.readouterr().out.startswith("No fault here")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--target", "nobody"], "nobody"),
        (["--metrics", "missing.csv"], "missing.csv"),
        (["--at", "soon"], "soon"),
        (["--metric", "availability"], "availability"),
    ],
)
def test_what_cannot_be_looked_at_is_said_in_one_line(files, capsys, more, said):
    assert main(arguments(files, "ill.csv", *more)) == 2
    assert said in capsys.readouterr().err


def test_without_a_graph_the_series_are_ranked_as_symptoms(files, capsys):
    alone = ["locate", "--metrics", str(files / "ill.csv"), "--normal", str(files / "normal.csv")]
    assert main(alone) == 1
    assert "symptoms" in capsys.readouterr().out
    assert main([*alone, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["series"]
    assert [(one["node"], one["metric"]) for one in found] == [("store", "latency"), ("front", "latency")]
    assert found[0]["score"] > found[1]["score"] > 10


def test_a_wait_for_a_callee_that_does_not_show_it_is_said(files, capsys):
    rows = ["time,node,metric,statistic,value"]
    normal = list(rows)
    for steps, lines in ((5, rows), (100, normal)):
        for step in range(steps):
            noise, added = ((step * 7) % 5 - 2) / 1000, 0.05 if steps == 5 and step in (2, 3) else 0.0
            for node, cost in (("front", 0.1 + noise + added), ("store", 0.02 + noise / 2)):
                lines += [f"{step * 60},{node},requests,Sum,100", f"{step * 60},{node},latency,Average,{cost}"]
            lines.append(f"{step * 60},front,outgoing,Average,{0.03 + noise / 2 + added}")
    (files / "normal.csv").write_text("\n".join(normal))
    (files / "waits.csv").write_text("\n".join(rows))
    assert main(arguments(files, "waits.csv")) == 1
    assert "front waits for a callee whose own series do not show it" in capsys.readouterr().out


def test_one_file_alone_is_not_enough(files, capsys):
    assert main(["locate", "--metrics", str(files / "ill.csv")]) == 2
    assert main(["locate", "--spans", str(files / "ill.csv")]) == 2
    assert main(["locate"]) == 2
