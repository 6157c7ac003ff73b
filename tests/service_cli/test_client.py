"""What the commands say when the service is away, is another one, or refuses."""

import json

import pytest
from typer.testing import CliRunner

from service.cli import app
from tests.peers.clickhouse import free_port
from tests.service_cli.fake import PROBLEM, Answer, Fake

COMMANDS = [
    pytest.param(["stuck"], "DONEWATCH_URL", id="stuck"),
    pytest.param(["stuck", "--workflow", "order"], "DONEWATCH_URL", id="stuck of a type"),
    pytest.param(["show", "order", "o-1"], "DONEWATCH_URL", id="show"),
    pytest.param(["tail"], "DONEWATCH_URL", id="tail"),
    pytest.param(["tail", "--workflow", "order"], "DONEWATCH_URL", id="tail of a type"),
    pytest.param(["emit", "--workflow", "w", "--to", "s"], "DONEWATCH_ENDPOINT", id="emit"),
]


def run(command: list[str], url: str, **environment: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, [*command, "--url", url], env=environment)
    assert isinstance(found.exception, SystemExit | None), found.exception
    assert found.stdout == ""
    return found.exit_code, found.stderr


@pytest.mark.parametrize(("command", "variable"), COMMANDS)
def test_a_service_that_is_away(command: list[str], variable: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, told = run(command, url)
    assert code == 2
    assert url in told and "`donewatch up`" in told and variable in told


def problem(status: int, detail: str, fix: str = "") -> Answer:
    body = json.dumps({"type": "urn:donewatch:problem:x", "detail": detail, "fix": fix})
    return Answer(status, body.encode(), PROBLEM)


ANSWERS = [
    pytest.param(Answer(200, b"<html>", "text/html"), "is not donewatch", id="a web server"),
    pytest.param(Answer(404, b"<html>", "text/html"), "is not donewatch", id="without our paths"),
    pytest.param(Answer(404, b"{", PROBLEM), "is not donewatch", id="a broken problem"),
    pytest.param(Answer(502, b"", "text/plain"), "HTTP 502", id="a proxy without a service"),
    pytest.param(problem(401, "no credential"), "DONEWATCH_TOKEN", id="a token is needed"),
    pytest.param(problem(403, "lacks the scope read"), "lacks the scope", id="another token"),
    pytest.param(problem(421, "wrong host", "use localhost"), "use localhost", id="another host"),
    pytest.param(problem(500, "it failed"), "it failed", id="a defect"),
]


@pytest.mark.parametrize("command", [["stuck"], ["show", "a", "b"], ["tail", "--workflow", "w"]])
@pytest.mark.parametrize(("answer", "told"), ANSWERS)
def test_an_answer_that_is_none(command: list[str], answer: Answer, told: str) -> None:
    with Fake(answer) as fake:
        code, said = run(command, fake.url)
    assert code == 2 and told in said and fake.url in said, said


TOKENS = [
    pytest.param(
        {"DONEWATCH_TOKEN": " secret\n"}, None, "Bearer secret", id="from the environment"
    ),
    pytest.param({}, "secret\n", "Bearer secret", id="from a file"),
    pytest.param({"DONEWATCH_TOKEN": "one"}, "two", "Bearer two", id="a file that is named wins"),
    pytest.param({}, None, "", id="none"),
]


@pytest.mark.parametrize(("environment", "text", "sent"), TOKENS)
def test_the_token_is_sent(
    environment: dict[str, str],
    text: str | None,
    sent: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    command = ["show", "order", "o-1"]
    if text is not None:
        file = tmp_path_factory.mktemp("token") / "token"
        file.write_text(text)
        command += ["--token-file", str(file)]
    with Fake(problem(401, "no")) as fake:
        run(command, fake.url, **environment)
    assert fake.asked[0].headers.get("authorization", "") == sent


def test_a_token_that_cannot_be_one() -> None:
    code, told = run(["stuck"], "http://127.0.0.1:1", DONEWATCH_TOKEN="é è")
    assert code == 2 and "token" in told and "é" not in told


def test_no_proxy_on_the_way_to_this_machine() -> None:
    with Fake(problem(401, "no")) as fake, Fake(Answer(502, b"")) as proxy:
        variables = {
            "http_proxy": proxy.url,
            "HTTP_PROXY": proxy.url,
            "NO_PROXY": "",
            "no_proxy": "",
        }
        run(["stuck"], fake.url, **variables)
    assert fake.asked and not proxy.asked


def test_an_address_with_a_path() -> None:
    with Fake(problem(401, "no")) as fake:
        run(["show", "order", "a/b"], fake.url + "/watch/")
    assert fake.asked[0].path == "/watch/api/v1/instances/order/a%2Fb"
