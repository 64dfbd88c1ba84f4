"""Read event files with TensorBoard's own programs, without TensorFlow."""


def scalars(folder):
    """Return the scalars of one run as lists of (step, value), by tag, and the hyperparameters."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    (path,) = folder.iterdir()
    read = EventAccumulator(str(path))
    read.Reload()
    content = read.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    started = metadata.parse_session_start_info_plugin_data(content)
    values = {name: getattr(value, value.WhichOneof("kind")) for name, value in started.hparams.items()}
    tags = read.Tags()["scalars"]
    return {tag: [(each.step, each.value) for each in read.Scalars(tag)] for tag in tags}, values


def session_groups(folder):
    """Return the rows of the table that the plugin HParams shows: the name, values, metrics and states of each."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    runs = EventMultiplexer()
    runs.AddRunsFromDirectory(str(folder))
    runs.Reload()
    plugin = backend_context.Context(TBContext(data_provider=MultiplexerDataProvider(runs, str(folder))))
    request = RequestContext()
    found = plugin.hparams_metadata(request, "")
    provided = plugin.hparams_from_data_provider(request, "", None)
    experiment = plugin.experiment_from_metadata(request, "", True, found, provided)
    asked = api_pb2.ListSessionGroupsRequest(
        allowed_statuses=[0, 1, 2, 3],
        aggregation_type=api_pb2.AGGREGATION_AVG,
        slice_size=1000,
        col_params=[api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos],
    )
    shown = list_session_groups.Handler(request, plugin, "", asked).run().session_groups
    return {
        group.name: (
            {name: getattr(value, value.WhichOneof("kind")) for name, value in group.hparams.items()},
            {metric.name.tag: metric.value for metric in group.metric_values},
            [session.status for session in group.sessions],
        )
        for group in shown
    }
