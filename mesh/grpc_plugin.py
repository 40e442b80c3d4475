"""A protoc plugin for gRPC's Python stubs.

protoc carries that generator inside and buf can only call plugins. Reads a CodeGeneratorRequest,
lets protoc write the stubs into a temporary folder and answers with their text. Files without a
service get none.
"""

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc


def stubs(request: plugin_pb2.CodeGeneratorRequest) -> plugin_pb2.CodeGeneratorResponse:
    """Return the ``_pb2_grpc.py`` of each requested file with a service, or protoc's refusal."""
    wanted = set(request.file_to_generate)
    sources = [file.name for file in request.proto_file if file.name in wanted and file.service]
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    if not sources:
        return response
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder, "descriptors.binpb")
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        output = Path(folder, "out")
        output.mkdir()
        status = protoc.main(
            ["", f"--descriptor_set_in={descriptors}", f"--grpc_python_out={output}", *sources]
        )
        if status:
            response.error = f"protoc ended with {status}"
        for path in sorted(output.rglob("*.py")):
            response.file.add(name=str(path.relative_to(output)), content=path.read_text())
    return response


if __name__ == "__main__":
    asked = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(stubs(asked).SerializeToString())
