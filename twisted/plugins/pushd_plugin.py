"""Make ``twistd pushd`` known; nothing of ours is imported until that command runs."""

from twisted.application.service import ServiceMaker

pushd = ServiceMaker("pushd", "pushd.tap", "A WebSocket push daemon for RabbitMQ.", "pushd")
