import optuna
import pytest

from study.core.errors import StudyError
from study.search import optuna_internals
from study.search.ask_tell import open_search
from study.search.study_names import check_name


@pytest.mark.parametrize("version", ["4.9.0", "5.1.0", "50.0.0", "5"])
def test_another_optuna_is_refused_before_anything_is_written(compose, monkeypatch, version):
    config = compose()
    monkeypatch.setattr(optuna, "__version__", version)
    told = rf"optuna=={version}: expected Optuna 5\.0\.x.* pip install 'optuna~=5\.0\.0'"
    with pytest.raises(StudyError, match=told):
        check_name(config)
    with pytest.raises(StudyError, match=told), open_search(config):
        pass
    assert not config.stores.optuna_journal.exists()


@pytest.mark.parametrize("version", ["5.0.0", "5.0.3", "5.0.0.dev0"])
def test_every_release_of_the_known_version_is_accepted(monkeypatch, version):
    monkeypatch.setattr(optuna, "__version__", version)
    optuna_internals.check_version()


def test_a_database_is_found_behind_its_cache_and_nothing_else_is_taken_for_one(tmp_path):
    cached = optuna.storages.get_storage(f"sqlite:///{tmp_path}/optuna.db")
    assert optuna_internals.database_of(cached).engine.url.database.endswith("optuna.db")
    optuna_internals.database_of(cached).engine.dispose()
    with pytest.raises(TypeError, match="InMemoryStorage: expected a cached RDBStorage"):
        optuna_internals.database_of(optuna.storages.InMemoryStorage())
