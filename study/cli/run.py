"""`study run`: Hydra composes and launches; every job is checked before the first one starts."""

from __future__ import annotations

import sys

from study.cli.paragraphs import write_help, write_paragraphs
from study.cli.working_directory import own_conf, packaged_conf

_HELP = """study run: search an optimizer's settings, confirm the best on fresh seeds, record everything.

usage: study run [-m] [--retry-failed] [KEY=VALUE ...]

  optimizer=adam                 one of a group (below)
  optimizer.learning_rate=0.01   fix an argument: it is no longer searched
  optimizer.search_only=[learning_rate]
  optimizer.search.beta_1.low=0.8
  model.dropout='interval(0,0.5)'                   search any key too; 'tag(log,interval(1e-6,1e-2))' on a log scale
  trainer.batch_size='tag(search,choice(32,64))'    choices; also 'int(interval(1,4))', 'tag(search,range(1,10,2))'
  budget.n_trials=20 budget.n_epochs=10 budget.n_confirmations=10
  -m optimizer=sgd,adam          one study for each; also 'optimizer=glob(*)', 'study_seed=range(3)'
  best=FILE                      train a file of `study export`; enqueue=FILE begins a search with it
  experiment_name=mine           the MLflow experiment (default: <dataset>-<model>)

Run the same command again to continue a stopped study; raise budget.n_trials to search further.
Add --retry-failed to train failed trials again, each under its number.
Add only_trial=3 to train trial 3 alone, and leave all stores as they are.

{groups}

  --cfg job        print the composed config     --info config    where it comes from
  --hydra-help     all of Hydra's options        -sc install=bash completion: eval "$(study -sc install=bash)"
"""

# Our flag, which Hydra's parser would refuse.
_RETRY = {"--retry-failed": "retry_failed=true"}


def main(arguments: list[str]) -> int:
    """Compose, check and run the studies of a command line.

    Args:
        arguments: The words after `study run`.

    Returns:
        The exit status.
    """
    if "-h" in arguments or "--help" in arguments:
        write_help(_HELP.format(groups=_groups()), stream=sys.stdout)
        return 0
    from study.core.status_line import status_line

    with status_line("study run: loading Hydra, reading the command"):
        from study.cli.launch import hydra_app
        from study.cli.launch.command_words import read_command_words
        from study.cli.launch.compose import CompositionError, MisreadError, compose_jobs, prepare

    words = read_command_words([_RETRY.get(word, word) for word in arguments])
    command_line = hydra_app.read_arguments(prepare(words.kept))
    if command_line.is_question:
        return hydra_app.answer(command_line, faults=words.faults)
    try:
        with status_line("study run: composing the studies"):
            jobs = compose_jobs(
                command_line.overrides, multirun=command_line.multirun, faults=words.faults, unread=words.groups
            )
    except MisreadError as error:
        raise hydra_app.with_further_faults(error) from None
    except CompositionError as error:
        write_paragraphs([f"study run: {error}"], stream=sys.stderr, hanging="  ")
        return 2
    return hydra_app.launch(command_line, jobs)


def _groups() -> str:
    """Return the options of each group, read from the file names of conf/."""
    folders = list(filter(None, (packaged_conf(), own_conf())))
    lines = []
    for group in sorted(path.name for path in packaged_conf().iterdir() if path.is_dir() and path.name[0].isalpha()):
        names = sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")})
        if names:
            lines.append(f"  {group:<10}  {', '.join(names)}")
    return "\n".join(lines)
