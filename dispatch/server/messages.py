"""Bytes that are no message: answered with INVALID_ARGUMENT that names the fields, where gRPC would say INTERNAL."""

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from dispatch.server.errors import MAX_VIOLATIONS, Context, FieldViolation, MalformedMessage, abort, failure_of
from dispatch.server.interception import Continuation, Handler, send

_LENGTH_DELIMITED = 2  # the wire type of strings and messages
_MOST_FIELDS, _MOST_BYTES = 1000, 1 << 18  # of a message that cannot be read


class MessageGuard(grpc.aio.ServerInterceptor):
    """Reads the requests of every call.

    A stream of requests goes on behind one that cannot be read: the handler's loop gets MalformedMessage for it, and
    the call ends with it where the handler lets it pass.
    """

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        read = _Reader(handler.request_deserializer, handler_call_details.method)
        if handler.request_streaming:
            return _guard_stream(handler, read) if handler.response_streaming else handler
        if handler.response_streaming:
            return _guard_answers(handler, read)

        async def respond(data: bytes, context: Context) -> Any:
            try:
                request = read(data)
            except MalformedMessage as error:
                await abort(context, failure_of(error))
            return await handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(respond, None, handler.response_serializer)


class _Reader:
    """Makes messages of bytes. Raises MalformedMessage."""

    def __init__(self, deserialize: Callable[[bytes], Any], method: str) -> None:
        self._deserialize = deserialize
        self._method = method

    def __call__(self, data: bytes) -> Any:
        try:
            return self._deserialize(data)
        except DecodeError:
            paths = islice(not_utf8(data, _request_type(self._method)), MAX_VIOLATIONS)
            raise MalformedMessage([FieldViolation(path, "must be UTF-8") for path in paths]) from None


class _Messages:
    """Messages as they come; one that cannot be read raises, and the next one is still to be had."""

    def __init__(self, stream: AsyncIterator[bytes], read: _Reader) -> None:
        self._stream = stream
        self._read = read

    def __aiter__(self) -> "_Messages":
        return self

    async def __anext__(self) -> Any:
        return self._read(await anext(self._stream))


def _guard_answers(handler: Handler, read: _Reader) -> Handler:
    """Of a call with one request and a stream of replies."""

    async def respond(data: bytes, context: Context) -> None:
        try:
            request = read(data)
        except MalformedMessage as error:
            await abort(context, failure_of(error))
        await send(handler.unary_stream(request, context), context)

    return grpc.unary_stream_rpc_method_handler(respond, None, handler.response_serializer)


def _guard_stream(handler: Handler, read: _Reader) -> Handler:
    """Of a call that streams both ways."""

    async def respond(stream: AsyncIterator[bytes], context: Context) -> None:
        try:
            await send(handler.stream_stream(_Messages(aiter(stream), read), context), context)
        except MalformedMessage as error:
            await abort(context, failure_of(error))

    return grpc.stream_stream_rpc_method_handler(respond, None, handler.response_serializer)


def not_utf8(data: bytes, message_type: Descriptor) -> Iterator[str]:
    """Paths of the text fields of a serialized message that are not UTF-8; of none where it is not even a message.

    Of a message that is longer than any good one, or has more fields, no more is looked at: that would take seconds.
    """
    if len(data) > _MOST_BYTES:
        return iter(())
    return _not_utf8(data, message_type, iter(range(_MOST_FIELDS)))


def _not_utf8(data: bytes, message_type: Descriptor, looks: Iterator[int]) -> Iterator[str]:
    try:
        fields = UnknownFieldSet(Empty.FromString(data))
    except DecodeError:
        return
    for index, _ in zip(range(len(fields)), looks, strict=False):
        item = fields[index]
        known = message_type.fields_by_number.get(item.field_number)
        if known is None or item.wire_type != _LENGTH_DELIMITED:
            continue
        if known.type == FieldDescriptor.TYPE_STRING and not _is_utf8(item.data):
            yield known.name
        elif known.message_type is not None:
            yield from (f"{known.name}.{path}" for path in _not_utf8(item.data, known.message_type, looks))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _request_type(method: str) -> Descriptor:
    """Of the full method name ``/package.Service/Method``."""
    _, service, name = method.split("/")
    return Default().FindServiceByName(service).methods_by_name[name].input_type
