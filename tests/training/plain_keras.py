"""The loop that a user writes with Keras alone: the same seeds, batches and order of examples as in a trial."""

import keras
import numpy as np

from study.core.seeds import epoch_order

BATCH_SIZE, EVAL_BATCH_SIZE = 32, 64


class Batches(keras.utils.PyDataset):
    """The training examples in the order of each epoch."""

    def __init__(self, split, *, order_seed):
        super().__init__(workers=1, use_multiprocessing=False)
        self._split, self._order_seed, self.epoch = split, order_seed, 0

    def __len__(self):
        return -(-len(self._split) // BATCH_SIZE)

    def __getitem__(self, index):
        order = epoch_order(self._order_seed, self.epoch, len(self._split))
        chosen = order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        return self._split.x[chosen], self._split.y[chosen]


class Shuffling(keras.callbacks.Callback):
    """Tells the batches which epoch begins; Keras calls their own `on_epoch_end` before the first one, too."""

    def __init__(self, batches):
        super().__init__()
        self._batches = batches

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        self._batches.epoch = epoch


def train(build, optimizer, dataset, *, run_seed, order_seed, n_epochs, callbacks=(), unfreeze=None):
    """Train a model with Keras's fit.

    Args:
        build: Builds the model.
        optimizer: Makes an optimizer.
        dataset: The data set.
        run_seed: Seed of initial weights.
        order_seed: Seed of the order of examples.
        n_epochs: Number of epochs.
        callbacks: Callbacks of Keras.
        unfreeze: Name of a layer, and the epoch at which it is unfrozen and the model is compiled again.

    Returns:
        The history; the loss of the training examples and the metrics of the test examples afterwards.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(run_seed)
    model = build()
    batches = Batches(dataset.train, order_seed=order_seed)
    found, rates = {}, []
    for first, last in [(0, n_epochs)] if unfreeze is None else [(0, unfreeze[1]), (unfreeze[1], n_epochs)]:
        if first:
            model.get_layer(unfreeze[0]).trainable = True
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=optimizer(), loss=loss, metrics=["accuracy"])
        history = model.fit(
            batches,
            epochs=last,
            initial_epoch=first,
            shuffle=False,
            validation_data=(dataset.validation.x, dataset.validation.y),
            validation_batch_size=EVAL_BATCH_SIZE,
            callbacks=[Shuffling(batches), *callbacks],
            verbose=0,
        ).history
        rates += history.pop("learning_rate", [])
        for name, values in history.items():
            found.setdefault(name, []).extend(float(np.asarray(value)) for value in values)
    how = {"batch_size": EVAL_BATCH_SIZE, "verbose": 0, "return_dict": True}
    final = model.evaluate(dataset.train.x, dataset.train.y, **how)["loss"]
    test = model.evaluate(dataset.test.x, dataset.test.y, **how)
    return {"history": found, "rates": [float(rate) for rate in rates], "final_loss": final} | {
        f"test_{name}": float(value) for name, value in test.items()
    }
