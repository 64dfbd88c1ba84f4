"""Every screen of a command, as a person sees it: start, compiling, search, confirmations, end, and Ctrl-C."""

import re
import subprocess
import sys

import pytest

from tests.cli.screens import OnScreen

SMALL = ("trainer=fit", "trainer.backend=jax", "model.hidden=[8]", "tracking.system_metrics=false")
SWEEP = (
    "run",
    "-m",
    "optimizer=sgd,adam",
    *SMALL,
    "budget.n_trials=3",
    "budget.n_epochs=16",  # so that each trial takes longer than the screen needs for an update
    "budget.n_confirmations=3",
)
LONG = ("run", "optimizer=momentum", *SMALL, "budget.n_trials=400", "budget.n_epochs=20", "budget.n_confirmations=3")
BAR = re.compile("[━╸]+|─{30}")


@pytest.fixture(scope="module")
def on_screen(program, environment):
    def start(folder, *words, columns, lines):
        variables = {**environment, "TERM": "xterm-256color"}
        return OnScreen([str(program), *words], columns=columns, lines=lines, cwd=folder, env=variables)

    return start


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, on_screen):
    """A sweep on a terminal of 80 by 24 to its end, and beside it one that watches it, until Ctrl-C."""
    folder = tmp_path_factory.mktemp("sweep")
    command = on_screen(folder, *SWEEP, columns=80, lines=24)
    command.until(lambda screen: "study 1 of 2" in screen and "search" in screen)
    watching = on_screen(folder, "watch", columns=80, lines=24)
    command.until(lambda screen: "study 2 of 2" in screen)
    watching.until(lambda screen: "digits-mlp/adam" in screen and "of 3 trials" in screen)
    watching.press_control_c()
    return folder, command, watching, (command.end(), watching.end())


def shows(command, *parts):
    """Return the screens that have all of some parts."""
    return [screen for screen in command.screens if all(re.search(part, screen) for part in parts)]


def paragraphs(text):
    """Return a text with its broken lines joined again."""
    return re.sub(r"\s+", " ", text)


@pytest.mark.slow
def test_the_first_line_needs_no_library():
    heavy = ("hydra", "omegaconf", "numpy", "rich", "keras", "mlflow", "optuna")
    script = (
        "import sys, study.cli, study.cli.run, study.core.status_line; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_the_start_names_what_is_loaded_and_then_what_will_run(sweep):
    _, command, _, _ = sweep
    assert command.screens[1].startswith("study run: loading Hydra, reading the command")
    told = [re.match(r"study run: [^:]*", screen.splitlines()[-1]) for screen in command.screens if screen]
    order = list(dict.fromkeys(found[0] for found in told if found))
    assert order[:3] == [
        "study run: loading Hydra, reading the command",
        "study run: composing the studies",
        "study run: loading Keras and the data, checking 2 studies",
    ]
    plan = "digits-mlp: 2 studies: sgd, adam; 3 trials each, and up to 3 confirmations of the best"
    assert plan in paragraphs(command.text)
    assert "HYDRA" not in command.text


@pytest.mark.slow
def test_compiling_search_and_confirmations_are_shown_with_the_place_in_the_sweep(sweep):
    _, command, _, _ = sweep
    for place, name in (("1 of 2", "sgd"), ("2 of 2", "adam")):
        head = f"digits-mlp/{name}   study {place}"
        assert shows(
            command, head, "search .* 0 of 3 trials", "confirm tuned .* 0 of 3", r"confirm untuned .* \d of 3"
        )
        assert shows(command, head, r"trial \d \(\d of 3\): epoch \d+ of 16, val_accuracy 0\.\d{4}\n")
        assert shows(
            command, head, "search .* 3 of 3 trials", "confirm tuned .* [0-3] of 3", r"confirmation \d \(tuned\)"
        )
    assert shows(command, "study 1 of 2", r"building and compiling: \d+ s; time left not known yet")
    assert shows(command, r"\d s so far, about \d+ s left; about .* with 1 more study like it")
    assert max(len(line) for screen in command.screens for line in screen.splitlines()) <= 80


@pytest.mark.slow
def test_the_end_is_a_table_that_fits_the_answer_and_the_commands_to_type_next(sweep):
    _, command, _, (status, _) = sweep
    assert status == 0
    assert not command.hides_cursor
    done, _, end = command.text.partition(
        "\ndigits-mlp: 2 studies, best first by mean validation of the confirmations\n"
    )
    assert len(re.findall(r"digits-mlp/\w+ \(study \d of 2\): best val_accuracy \S+ \(trial \d\) after", done)) == 2
    assert not re.search(BAR, done)  # what was drawn is gone
    table, _, below = end.partition("\n\n")
    _, rule, *rows = table[table.index("  study") :].splitlines()
    assert set(rule.strip()) == {"─"}
    assert [row.split()[0] for row in rows[::2]] in (["adam", "sgd"], ["sgd", "adam"])
    assert all("learning_rate=" in row for row in rows[1::2])  # two lines a row, and no third
    assert len(rows) == 4
    answer, _, commands = below.partition("\nNext:\n")
    assert "tuned configurations" in paragraphs(answer)
    names = [line.split("   ")[0].strip() for line in commands.splitlines() if line]
    assert names[0] == "study compare digits-mlp"
    assert names[-1] == "study ui"
    assert max(map(len, command.text.splitlines())) <= 80


@pytest.mark.slow
def test_watching_shows_the_same_view_and_ends_with_the_screen_clean(sweep):
    _, _, watching, (_, status) = sweep
    assert status == 0
    assert shows(
        watching,
        "digits-mlp/adam   study 2 of 2\n",
        r"search .* \d of 3 trials",
        r"confirm tuned .* \d of 3",
        "so far",
    )
    assert not watching.hides_cursor
    assert not re.search(BAR, watching.text)
    assert watching.text.rstrip().endswith("study watch: ended. The studies go on.")
    assert "digits-mlp/sgd: finished, best val_accuracy" in watching.text


@pytest.mark.slow
def test_ctrl_c_leaves_a_clean_screen_that_says_how_to_go_on(tmp_path, on_screen):
    command = on_screen(tmp_path, *LONG, columns=140, lines=40)
    command.until(lambda screen: "best val_accuracy" in screen and "epoch" in screen)
    shown = command.screens[-1]
    command.press_control_c()
    assert command.end() == 1
    assert re.search(r"digits-mlp/momentum-\S+\n  search +[━╸]*─+  \d+ of 400 trials\n", shown)
    lines = [line for line in command.text.splitlines() if line]
    assert lines[-2:] == [
        "stopping: writing finished results; press Ctrl-C again to stop immediately.",
        "study run: stopped. Run the same command again to continue.",
    ]
    assert not command.hides_cursor
    assert "^C" not in command.text
    assert not re.search(BAR, command.text)
    assert "Traceback" not in command.text


@pytest.mark.slow
def test_a_wide_terminal_has_one_line_for_each_study(sweep, on_screen):
    folder, _, _, _ = sweep
    command = on_screen(folder, "list", columns=140, lines=40)
    assert command.end() == 0
    rows = [line for line in command.text.splitlines() if "learning_rate=" in line]
    assert [row.split()[0] for row in rows] in (["adam", "sgd"], ["sgd", "adam"])
    assert max(map(len, command.text.splitlines())) <= 140


@pytest.mark.slow
def test_the_price_of_what_is_open_has_a_line_while_it_loads_and_then_no_broken_word(sweep, on_screen, study):
    folder, _, _, _ = sweep
    command = on_screen(folder, "plan", "digits-mlp", columns=60, lines=24)
    assert command.end() == 0
    assert command.screens[1] == "study plan: loading MLflow"
    assert shows(command, "^study plan: (reading|computing)")
    assert "study plan: " not in command.text  # the lines are gone
    first = study("plan", "digits-mlp", cwd=folder).stdout.splitlines()[0]
    assert len(first) > 60
    assert paragraphs(command.text).startswith(first)
