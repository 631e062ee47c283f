"""Bytes that are no message: answered with INVALID_ARGUMENT that names the fields, where gRPC would say INTERNAL."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from dispatch.server.errors import Context, FieldViolation, abort, invalid_argument

_LENGTH_DELIMITED = 2  # the wire type of strings and messages


class MessageGuard(grpc.aio.ServerInterceptor):
    """Reads the requests of every call with one request and one reply."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler: Any = await continuation(handler_call_details)
        if handler is None or handler.request_streaming or handler.response_streaming:
            return handler

        async def respond(data: bytes, context: Context) -> Any:
            try:
                request = handler.request_deserializer(data)
            except DecodeError:
                violations = [
                    FieldViolation(path, "must be UTF-8")
                    for path in not_utf8(data, _request_type(handler_call_details.method))
                ]
                await abort(context, invalid_argument("MALFORMED_MESSAGE", "the request cannot be read", violations))
            return await handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(respond, None, handler.response_serializer)


def not_utf8(data: bytes, message_type: Descriptor) -> Iterator[str]:
    """Paths of the text fields of a serialized message that are not UTF-8; of none where it is not even a message."""
    try:
        fields = UnknownFieldSet(Empty.FromString(data))
    except DecodeError:
        return
    for item in (fields[index] for index in range(len(fields))):
        known = message_type.fields_by_number.get(item.field_number)
        if known is None or item.wire_type != _LENGTH_DELIMITED:
            continue
        if known.type == FieldDescriptor.TYPE_STRING and not _is_utf8(item.data):
            yield known.name
        elif known.message_type is not None:
            yield from (f"{known.name}.{path}" for path in not_utf8(item.data, known.message_type))


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
