"""The demo page in a real browser."""

from __future__ import annotations

from selenium.webdriver.common.by import By

from tests.support.browser import chromium
from tests.support.daemon import Daemon
from tests.support.wait import wait_for


def test_a_broadcast_typed_into_telnet_appears_in_the_page() -> None:
    """What is typed on the control port is on the screen, markup shown and not interpreted."""
    with Daemon("1", {"listen.demo": "yes"}) as daemon, chromium() as browser:
        browser.get(f"http://127.0.0.1:{daemon.public}/")

        def text() -> str:
            return browser.find_element(By.TAG_NAME, "body").text

        wait_for(lambda: daemon.metric("pushd_connections"), "the page's connection")
        with daemon.control() as telnet:
            assert telnet.command("broadcast hello <b>测试消息</b>").startswith("250 ")
        wait_for(lambda: "hello <b>测试消息</b>" in text(), "the broadcast in the page")


def test_the_page_comes_back_by_itself() -> None:
    """The page connects again after the instance has been restarted, without a reload."""
    with Daemon("1", {"listen.demo": "yes"}) as daemon, chromium() as browser:
        browser.get(f"http://127.0.0.1:{daemon.public}/")
        wait_for(lambda: daemon.metric("pushd_connections"), "the page's connection")
        daemon.kill()
        daemon.start()
        daemon.wait_ready()
        wait_for(lambda: daemon.metric("pushd_connections"), "the page's second connection", 60.0)
        with daemon.control() as telnet:
            assert telnet.command("broadcast still here").startswith("250 ")
        wait_for(lambda: "still here" in browser.find_element(By.TAG_NAME, "body").text, "the broadcast")
