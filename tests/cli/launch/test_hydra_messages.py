"""Hydra's messages in our words."""

from hydra.errors import HydraException

from study.cli.launch.hydra_messages import in_our_words


def ambiguous(word):
    return HydraException(
        f"Ambiguous value for argument '++{word}'\n1. To use it as a list, use key=[value1,value2]\n"
        "2. To use it as string, quote the value: key=\\'value1,value2\\'\n"
        "3. To sweep over it, add --multirun to your command line"
    )


def test_several_values_without_m_are_answered_with_the_command_that_has_it():
    words = ["optimizer=sgd,adam", "++experiment_name=my x", "++budget.n_trials=3"]
    assert in_our_words(ambiguous("optimizer=sgd,adam"), words) == (
        "optimizer=sgd,adam: expected one value of optimizer, or -m for a study of each:\n"
        "  study run -m optimizer=sgd,adam 'experiment_name=my x' budget.n_trials=3"
    )


def test_several_values_of_a_key_may_also_be_meant_for_a_search():
    word = "optimizer.learning_rate=0.1,0.2"
    assert in_our_words(ambiguous(word), [f"++{word}"]).splitlines()[1:] == [
        f"  study run -m {word}",
        "To search these values in one study:",
        "  optimizer.learning_rate='tag(search,choice(0.1,0.2))'",
    ]
