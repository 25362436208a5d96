"""The tools folder as it is in use: changed files are loaded aside and swapped in whole."""

import asyncio
import functools
from collections.abc import Collection, Mapping
from pathlib import Path

import structlog

from bridge.plugins.daemon import DaemonRun
from bridge.plugins.failures import ToolFailure, one_line
from bridge.plugins.loading import Broken, load
from bridge.plugins.millis.aftercall import NoSpool, Spool
from bridge.plugins.package import ToolPackage
from bridge.plugins.sources import Source, Unreadable, neighbours, scan
from bridge.plugins.threads import ToolThreads
from bridge.plugins.toolbox import Assembly, LoadedFile, Toolbox

log = structlog.get_logger(__name__)


class ToolShelf:
    """Keeps the current toolbox of one folder. Tool files are trusted code."""

    def __init__(
        self,
        folder: Path,
        *,
        threads: ToolThreads,
        reserved: frozenset[str] = frozenset(),
        import_timeout: float = 10.0,
        spool: Spool | None = None,
    ) -> None:
        """Load nothing yet. `spool` takes what functions have to do after a call."""
        self.folder = folder
        self.current = Toolbox()
        self.refused = 0
        """Files that could not be used, each time they came."""
        self._root = folder.absolute()
        self._threads = threads
        self._reserved = reserved
        self._import_timeout = import_timeout
        self._spool = spool or NoSpool()
        self._package = ToolPackage(self._root)
        self._one_at_a_time = asyncio.Lock()
        self._sources: dict[str, Source] = {}
        self._fresh: dict[str, LoadedFile] = {}
        """The newest version of each module that loads."""
        self._in_use: dict[str, LoadedFile] = {}
        """The version whose tools are in the current toolbox."""
        self._broken: dict[str, Broken] = {}
        """Modules whose newest version does not load."""

    async def reload(self, *, again: bool = False) -> Toolbox:
        """Load what has changed, swap it in, and return the toolbox now in use.

        A folder with the same content keeps the same toolbox. `again` tries broken files once
        more, though their content is the same: something they need may have been installed.
        """
        async with self._one_at_a_time:
            try:
                found = await DaemonRun(functools.partial(scan, self._root), name="scan").result
            except OSError as error:
                await self._load({}, again=again)
                return self._swap([self._no_folder(error)])
            sources, unusable = self._sort_out(found)
            await self._load(sources, again=again)
            return self._swap(unusable)

    def _sort_out(
        self, found: list[Source | Unreadable]
    ) -> tuple[dict[str, Source], list[ToolFailure]]:
        sources: dict[str, Source] = {}
        unusable = []
        for one in found:
            if isinstance(one, Unreadable):
                known = next((s for s in self._sources.values() if s.path == one.path), None)
                if known:
                    sources[known.name] = known
                unusable.append(self._failure(one.path, None, one.reason, kept=known is not None))
            elif other := sources.get(one.name):
                reason = f"{self._shown(other.path)} is a module of the same name: rename one"
                unusable.append(self._failure(one.path, None, reason, kept=False))
            else:
                sources[one.name] = one
        return sources, unusable

    async def _load(self, sources: dict[str, Source], *, again: bool) -> None:
        retry = self._broken.keys() if again else ()
        if not retry and _digests(sources) == _digests(self._sources):
            return
        names = await DaemonRun(
            functools.partial(_stale, self._sources, sources, retry), name="compare"
        ).result
        taken = self._package.take_out(names)
        self._package.read_from(sources)
        public = [n for n in sorted(names & sources.keys()) if not sources[n].is_private]
        try:
            outcomes = {name: await self._load_one(sources[name]) for name in public}
        except BaseException:  # cancelled: as if nothing had been tried
            self._package.read_from(self._sources)
            for name in names:
                self._package.put_back(taken, name)
            raise
        self._sources = sources
        for name in names & sources.keys():
            if not self._package.has(name):  # broken, or a private one that nobody could import
                self._package.put_back(taken, name)
        for name, outcome in outcomes.items():
            self._note(name, outcome)
        for name in names - sources.keys():
            self._fresh.pop(name, None)
            self._broken.pop(name, None)

    async def _load_one(self, source: Source) -> LoadedFile | Broken:
        outcome = await load(
            self._package, source, self._threads, self._spool, seconds=self._import_timeout
        )
        if isinstance(outcome, Broken):
            self._package.take_out({source.name})  # neighbours must not find half a module
            return outcome
        return LoadedFile(f"{self._package.name}.{source.name}", self._shown(source.path), outcome)

    def _note(self, name: str, outcome: LoadedFile | Broken) -> None:
        if isinstance(outcome, LoadedFile):
            self._fresh[name] = outcome
            self._broken.pop(name, None)
        else:
            self._broken[name] = outcome

    def _swap(self, unusable: list[ToolFailure]) -> Toolbox:
        assembly = Assembly(self._reserved)
        failures, in_use = list(unusable), {}
        for name in sorted(self._sources):
            refusals = []
            for version in _versions(self._fresh.get(name), self._in_use.get(name)):
                if reason := assembly.add(version):
                    refusals.append(reason)
                else:
                    in_use[name] = version
                    break
            kept = name in in_use
            if broken := self._broken.get(name):
                failures.append(self._failure(broken.file, broken.line, broken.reason, kept=kept))
            elif refusals:
                path = self._sources[name].path
                failures.append(self._failure(path, None, refusals[0], kept=kept))
        self._in_use = in_use
        before = self.current
        after = assembly.toolbox(before.version + 1, failures)
        if [*map(id, after.tools)] == [
            *map(id, before.tools)
        ] and after.failures == before.failures:
            return before
        self.current = after
        self.refused += _report(before, after)
        return after

    def _failure(self, path: Path, line: int | None, reason: str, *, kept: bool) -> ToolFailure:
        return ToolFailure(self._shown(path), line, one_line(reason), kept)

    def _shown(self, path: Path) -> Path:
        return Path(self._root.name) / path.relative_to(self._root)

    def _no_folder(self, error: OSError) -> ToolFailure:
        reason = error.strerror or type(error).__name__
        remedy = "create the folder, with a .py file that has an @tool function"
        return ToolFailure(self.folder, None, one_line(f"{reason}: {remedy}"), kept=False)


def _stale(
    before: Mapping[str, Source], now: Mapping[str, Source], retry: Collection[str]
) -> set[str]:
    """Name the modules to load again: those that changed, and those that import them."""
    was, is_now = _digests(before), _digests(now)
    stale = {name for name in was.keys() | is_now.keys() if was.get(name) != is_now.get(name)}
    if any(name.startswith("_") for name in stale):
        return {*before, *now}
    stale |= set(retry)
    imports = {name: neighbours(source) for name, source in now.items()}
    while more := {name for name in imports if imports[name] & stale} - stale:
        stale |= more
    return stale


def _digests(sources: Mapping[str, Source]) -> dict[str, bytes]:
    return {name: source.digest for name, source in sources.items()}


def _versions(*versions: LoadedFile | None) -> list[LoadedFile]:
    return list({id(version): version for version in versions if version is not None}.values())


def _report(before: Toolbox, after: Toolbox) -> int:
    """Log what has changed; the number of failures that are new."""
    old = {tool.name: tool for tool in before.tools}
    new = {tool.name: tool for tool in after.tools}
    log.info(
        "tools swapped in",
        version=after.version,
        added=sorted(new.keys() - old.keys()),
        changed=sorted(name for name in new.keys() & old.keys() if new[name] is not old[name]),
        removed=sorted(old.keys() - new.keys()),
        failures=len(after.failures),
    )
    news = [failure for failure in after.failures if failure not in before.failures]
    for failure in news:
        log.warning(
            "tool file not loaded",
            file=str(failure.file),
            line=failure.line,
            reason=failure.reason,
            kept=failure.kept,
        )
    return len(news)
