"""Records of TensorBoard's event files, written without TensorFlow, which takes seconds to import."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from study.core.search_space import Value, text_of

_VERSION = "brain.Event:2"


def start_records(hparams: Mapping[str, Value], *, group: str) -> bytes:
    """Return the beginning of an event file, with hyperparameters for the plugin HParams.

    Args:
        hparams: The hyperparameters, by name.
        group: Name of a group whose runs repeat one setting.
    """
    info = plugin_data_pb2.SessionStartInfo(group_name=group, start_time_secs=time.time())
    for name, value in hparams.items():
        if isinstance(value, bool):
            info.hparams[name].bool_value = value
        elif isinstance(value, int | float):
            info.hparams[name].number_value = value
        else:
            info.hparams[name].string_value = text_of(value)
    data = plugin_data_pb2.HParamsPluginData(session_start_info=info)
    started = _hparams_event(metadata.SESSION_START_INFO_TAG, data)
    return _records(Event(wall_time=time.time(), file_version=_VERSION), started)


def end_record(*, failed: bool) -> bytes:
    """Return the record by which the plugin HParams knows that a run has ended.

    Args:
        failed: True if an exception ended it.
    """
    status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
    data = plugin_data_pb2.HParamsPluginData(session_end_info=info)
    return _records(_hparams_event(metadata.SESSION_END_INFO_TAG, data))


def scalar_record(values: Mapping[str, float], *, step: int) -> bytes:
    """Return the record of scalars at a step.

    Args:
        values: The scalars, by tag.
        step: The step.
    """
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items()])
    return _records(Event(wall_time=time.time(), step=step, summary=summary))


def _hparams_event(tag: str, data: plugin_data_pb2.HParamsPluginData) -> Event:
    written = metadata.create_summary_metadata(data)
    value = Summary.Value(tag=tag, metadata=written, tensor=metadata.NULL_TENSOR)
    return Event(wall_time=time.time(), summary=Summary(value=[value]))


def _records(*events: Event) -> bytes:
    written = io.BytesIO()
    for event in events:
        RecordWriter(written).write(event.SerializeToString())
    return written.getvalue()
