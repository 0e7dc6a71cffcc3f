"""For those who like Dramatiq's own command: `dramatiq actors.standalone --processes 1 --threads 1`.

The settings come from the environment, as for `darkroom worker`.
"""

import os

import dramatiq

from actors.worker import make_broker
from service.processes.loopback import reach_loopback_directly
from service.settings import load_settings
from service.telling.logs import set_up_logs

reach_loopback_directly(os.environ)
_settings = load_settings(os.environ)
set_up_logs(_settings.log_format)
broker = make_broker(_settings)
dramatiq.set_broker(broker)
