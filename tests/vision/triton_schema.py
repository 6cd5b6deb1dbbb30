"""What Triton reads of a `config.pbtxt`, as far as it is written here: names and types, strictly.

Field by field from protobuf/model_config.proto of triton-inference-server/common. In the text form
a field has no number, so numbers are counted; a name that is not listed, a value of another type
and a choice made twice are errors, as they are to Triton.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

Field = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "string": Field.TYPE_STRING,
    "bool": Field.TYPE_BOOL,
    "int32": Field.TYPE_INT32,
    "uint32": Field.TYPE_UINT32,
    "int64": Field.TYPE_INT64,
    "uint64": Field.TYPE_UINT64,
}
ENUMS = {
    "DataType": ("TYPE_INVALID", "TYPE_BOOL", "TYPE_UINT8", "TYPE_INT8", "TYPE_FP16", "TYPE_FP32"),
    "Kind": ("KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL"),
}
MESSAGES = {
    "ModelConfig": {
        "name": "string",
        "platform": "string",
        "backend": "string",
        "version_policy": "VersionPolicy",
        "max_batch_size": "int32",
        "input": "repeated ModelInput",
        "output": "repeated ModelOutput",
        "optimization": "Optimization",
        "dynamic_batching": "DynamicBatching",
        "instance_group": "repeated InstanceGroup",
        "default_model_filename": "string",
        "parameters": "map ModelParameter",
        "model_warmup": "repeated ModelWarmup",
    },
    "VersionPolicy": {"specific": "Specific"},
    "Specific": {"versions": "repeated int64"},
    "ModelInput": {"name": "string", "data_type": "DataType", "dims": "repeated int64"},
    "ModelOutput": {"name": "string", "data_type": "DataType", "dims": "repeated int64"},
    "Optimization": {"execution_accelerators": "Accelerators"},
    "Accelerators": {
        "gpu_execution_accelerator": "repeated Accelerator",
        "cpu_execution_accelerator": "repeated Accelerator",
    },
    "Accelerator": {"name": "string", "parameters": "map string"},
    "DynamicBatching": {
        "preferred_batch_size": "repeated int32",
        "max_queue_delay_microseconds": "uint64",
    },
    "InstanceGroup": {
        "name": "string",
        "kind": "Kind",
        "count": "int32",
        "gpus": "repeated int32",
    },
    "ModelParameter": {"string_value": "string"},
    "ModelWarmup": {
        "name": "string",
        "batch_size": "uint32",
        "inputs": "map WarmupInput",
        "count": "uint32",
    },
    "WarmupInput": {
        "data_type": "DataType",
        "dims": "repeated int64",
        "zero_data": "bool",
        "random_data": "bool",
    },
}


def parse_config(text: str) -> Any:
    """Read a `config.pbtxt`; raises `text_format.ParseError` where Triton would refuse it."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("triton.ModelConfig"))
    return text_format.Parse(text, kind())


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="model_config.proto", package="triton", syntax="proto3"
    )
    for name, values in ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), 1):
            _add(message, field, number, kind)
    return file


def _add(message: Any, name: str, number: int, kind: str) -> None:
    label, _, rest = kind.rpartition(" ")
    field = message.field.add(name=name, number=number, label=Field.LABEL_OPTIONAL)
    if label:
        field.label = Field.LABEL_REPEATED
    if label == "map":
        entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        _add(entry, "key", 1, "string")
        _add(entry, "value", 2, rest)
        rest = f"{message.name}.{entry.name}"
    if rest in SCALARS:
        field.type = SCALARS[rest]
    else:
        field.type = Field.TYPE_ENUM if rest in ENUMS else Field.TYPE_MESSAGE
        field.type_name = f".triton.{rest}"
