"""Flask's names on duoframe's core: ``from duoframe.flask import Flask, request``.

An application that is written for Flask 3.1 moves by changing its imports; `exceptions`, `routing`, `datastructures`
and `utils` have what is imported of Werkzeug.
"""

from duoframe.flask import json as json
from duoframe.flask.app import Flask as Flask
from duoframe.flask.blueprints import Blueprint as Blueprint
from duoframe.flask.building import url_for as url_for
from duoframe.flask.config import Config as Config
from duoframe.flask.contexts import after_this_request as after_this_request
from duoframe.flask.contexts import copy_current_request_context as copy_current_request_context
from duoframe.flask.contexts import has_app_context as has_app_context
from duoframe.flask.contexts import has_request_context as has_request_context
from duoframe.flask.contexts import stream_with_context as stream_with_context
from duoframe.flask.exceptions import abort as abort
from duoframe.flask.flashing import flash as flash
from duoframe.flask.flashing import get_flashed_messages as get_flashed_messages
from duoframe.flask.globals import current_app as current_app
from duoframe.flask.globals import g as g
from duoframe.flask.globals import request as request
from duoframe.flask.globals import session as session
from duoframe.flask.json import jsonify as jsonify
from duoframe.flask.making import make_response as make_response
from duoframe.flask.making import redirect as redirect
from duoframe.flask.requests import Request as Request
from duoframe.flask.responses import Response as Response
from duoframe.flask.sending import send_file as send_file
from duoframe.flask.sending import send_from_directory as send_from_directory
from duoframe.flask.signals import appcontext_popped as appcontext_popped
from duoframe.flask.signals import appcontext_pushed as appcontext_pushed
from duoframe.flask.signals import appcontext_tearing_down as appcontext_tearing_down
from duoframe.flask.signals import before_render_template as before_render_template
from duoframe.flask.signals import got_request_exception as got_request_exception
from duoframe.flask.signals import message_flashed as message_flashed
from duoframe.flask.signals import request_finished as request_finished
from duoframe.flask.signals import request_started as request_started
from duoframe.flask.signals import request_tearing_down as request_tearing_down
from duoframe.flask.signals import template_rendered as template_rendered
from duoframe.flask.templating import get_template_attribute as get_template_attribute
from duoframe.flask.templating import render_template as render_template
from duoframe.flask.templating import render_template_string as render_template_string
from duoframe.flask.templating import stream_template as stream_template
from duoframe.flask.templating import stream_template_string as stream_template_string
