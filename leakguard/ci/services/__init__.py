"""The services we know, each one file: how to recognise it, and what its event means.

Pure functions of an environment and an event file.
"""

from __future__ import annotations

from leakguard.ci.event import Environment, Service
from leakguard.ci.services import (
    azure,
    bitbucket,
    buildkite,
    circleci,
    drone,
    github,
    gitlab,
    jenkins,
    teamcity,
    travis,
    woodpecker,
)

SERVICES: tuple[Service, ...] = (
    github.SERVICE,
    gitlab.SERVICE,
    circleci.SERVICE,
    azure.SERVICE,
    bitbucket.SERVICE,
    buildkite.SERVICE,
    drone.SERVICE,
    woodpecker.SERVICE,
    travis.SERVICE,
    teamcity.SERVICE,
    jenkins.SERVICE,
)
"""The first one that says yes is it. Jenkins comes last: an agent of something else may run on
the same machine.
"""


def recognise(env: Environment) -> Service | None:
    """The service that this environment is of, if any."""
    return next((service for service in SERVICES if service.runs(env)), None)
