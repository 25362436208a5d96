"""A Millis agent's functions, exported and put into `tools/`: `bridge/plugins/millis`."""

from bridge.plugins.checks import ToolRefused
from bridge.plugins.millis.definition import read
from tests.fuzz.target import Target, encoded


def check(data: bytes) -> None:
    """A file is read, and each function can be told of, or is refused with the reason."""
    try:
        definitions = read(data)
    except ToolRefused as error:
        assert str(error)
        return
    assert definitions
    for definition in definitions:
        assert definition.seconds is None or definition.seconds > 0
        assert definition.fixed_host is None or definition.fixed_host
        assert len({param.name for param in definition.params}) == len(definition.params)


TARGET = Target(
    "functions",
    check,
    encoded(
        [
            '{"name":"book","description":"Books.","webhook":"https://example.com/{id}/b?x={y}",'
            '"params":[{"name":"id","type":"int","required":true}],"method":"get","timeout":5000,'
            '"header":{"A":"b"},"messages":["One moment."],"run_after_call":false}',
            '{"tools":[{"name":"a","description":"b","webhook":"http://{host}:8/"}]}',
            '[{"name":"a","description":"b","webhook":"https://[::1]/"}]',
            '{"name":"a","description":"b","webhook":"http://[a]@/"}',
        ]
    ),
    encoded([*'{}[]":,/?#@', "null", "1e400", "0.001", "\\ud800", "\\u0000", "http://", "https://"])
    + encoded(["[::1]", ":99999", "xn--", "%00", '"name":', '"params":', '"timeout":', '"tools":'])
    + encoded(['"webhook":', '"type":', '"method":', '"header":', "{a}", "webook", "self", "text"]),
)
