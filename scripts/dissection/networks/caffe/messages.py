"""The messages of Caffe's files: those fields of its caffe.proto that matter here.

They are built when this module is imported, in a pool of their own, so that they do not meet those
of an installed Caffe. Fields that are not listed are skipped in binary files and in text alike.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_ENUMS = {
    "Phase": "TRAIN=0 TEST=1",
    "PoolMethod": "MAX=0 AVE=1 STOCHASTIC=2",
    "RoundMode": "CEIL=0 FLOOR=1",
    "EltwiseOp": "PROD=0 SUM=1 MAX=2",
    "NormRegion": "ACROSS_CHANNELS=0 WITHIN_CHANNEL=1",
    "V1LayerType": (
        "NONE=0 ACCURACY=1 BNLL=2 CONCAT=3 CONVOLUTION=4 DATA=5 DROPOUT=6 EUCLIDEAN_LOSS=7"
        " FLATTEN=8 HDF5_DATA=9 HDF5_OUTPUT=10 IM2COL=11 IMAGE_DATA=12 INFOGAIN_LOSS=13"
        " INNER_PRODUCT=14 LRN=15 MULTINOMIAL_LOGISTIC_LOSS=16 POOLING=17 RELU=18 SIGMOID=19"
        " SOFTMAX=20 SOFTMAX_LOSS=21 SPLIT=22 TANH=23 WINDOW_DATA=24 ELTWISE=25 POWER=26"
        " SIGMOID_CROSS_ENTROPY_LOSS=27 HINGE_LOSS=28 MEMORY_DATA=29 ARGMAX=30 THRESHOLD=31"
        " DUMMY_DATA=32 SLICE=33 MVN=34 ABSVAL=35 SILENCE=36 CONTRASTIVE_LOSS=37 EXP=38"
        " DECONVOLUTION=39"
    ),
}

# For each message its fields: number, name, type, "*" if repeated, "=" and the default.
_MESSAGES = {
    "BlobShape": "1 dim int64 *",
    "BlobProto": """
        1 num int64; 2 channels int64; 3 height int64; 4 width int64; 7 shape BlobShape
        5 data float *; 8 double_data double *""",
    "NetStateRule": """
        1 phase Phase; 2 min_level int64; 3 max_level int64; 4 stage string *
        5 not_stage string *""",
    "TransformationParameter": """
        1 scale float =1; 3 crop_size uint32; 4 mean_file string; 5 mean_value float *""",
    # Of Data, ImageData and WindowData alike.
    "DataParameter": "2 scale float =1; 3 mean_file string; 5 crop_size uint32",
    "MemoryDataParameter": "2 channels uint32; 3 height uint32; 4 width uint32",
    "InputParameter": "1 shape BlobShape *",
    "BatchNormParameter": "1 use_global_stats bool =true; 3 eps float =1e-5",
    "ConcatParameter": "1 concat_dim int64 =1; 2 axis int64 =1",
    "ConvolutionParameter": """
        1 num_output uint32; 2 bias_term bool =true; 3 pad uint32 *; 4 kernel_size uint32 *
        5 group uint32 =1; 6 stride uint32 *; 9 pad_h uint32; 10 pad_w uint32; 11 kernel_h uint32
        12 kernel_w uint32; 13 stride_h uint32; 14 stride_w uint32; 16 axis int64 =1
        18 dilation uint32 *""",
    "DropoutParameter": "1 dropout_ratio float =0.5",
    "EltwiseParameter": "1 operation EltwiseOp =SUM; 2 coeff float *",
    "FlattenParameter": "1 axis int64 =1; 2 end_axis int64 =-1",
    "InnerProductParameter": """
        1 num_output uint32; 2 bias_term bool =true; 5 axis int64 =1; 6 transpose bool""",
    "LRNParameter": """
        1 local_size uint32 =5; 2 alpha float =1; 3 beta float =0.75
        4 norm_region NormRegion =ACROSS_CHANNELS; 5 k float =1""",
    # ceil_mode is not Caffe's, but some converters write it.
    "PoolingParameter": """
        1 pool PoolMethod =MAX; 2 kernel_size uint32 *; 3 stride uint32 *; 4 pad uint32 *
        5 kernel_h uint32; 6 kernel_w uint32; 7 stride_h uint32; 8 stride_w uint32; 9 pad_h uint32
        10 pad_w uint32; 12 global_pooling bool; 13 round_mode RoundMode =CEIL
        40 ceil_mode bool =true""",
    "ReLUParameter": "1 negative_slope float",
    "ReshapeParameter": "1 shape BlobShape; 2 axis int64 =0; 3 num_axes int64 =-1",
    "ScaleParameter": "1 axis int64 =1; 2 num_axes int64 =1; 4 bias_term bool",
    "SoftmaxParameter": "2 axis int64 =1",
    "LayerParameter": """
        1 name string; 2 type string; 3 bottom string *; 4 top string *; 7 blobs BlobProto *
        8 include NetStateRule *; 9 exclude NetStateRule *
        100 transform_param TransformationParameter; 104 concat_param ConcatParameter
        106 convolution_param ConvolutionParameter; 107 data_param DataParameter
        108 dropout_param DropoutParameter; 110 eltwise_param EltwiseParameter
        115 image_data_param DataParameter; 117 inner_product_param InnerProductParameter
        118 lrn_param LRNParameter; 119 memory_data_param MemoryDataParameter
        121 pooling_param PoolingParameter; 123 relu_param ReLUParameter
        125 softmax_param SoftmaxParameter; 129 window_data_param DataParameter
        133 reshape_param ReshapeParameter; 135 flatten_param FlattenParameter
        139 batch_norm_param BatchNormParameter; 142 scale_param ScaleParameter
        143 input_param InputParameter""",
    # Of the first generation only names and weights are read.
    "V0LayerParameter": "1 name string; 50 blobs BlobProto *",
    "V1LayerParameter": """
        1 layer V0LayerParameter; 2 bottom string *; 3 top string *; 4 name string
        5 type V1LayerType; 6 blobs BlobProto *; 9 concat_param ConcatParameter
        10 convolution_param ConvolutionParameter; 11 data_param DataParameter
        12 dropout_param DropoutParameter; 15 image_data_param DataParameter
        17 inner_product_param InnerProductParameter; 18 lrn_param LRNParameter
        19 pooling_param PoolingParameter; 20 window_data_param DataParameter
        22 memory_data_param MemoryDataParameter; 24 eltwise_param EltwiseParameter
        30 relu_param ReLUParameter; 32 include NetStateRule *; 33 exclude NetStateRule *
        36 transform_param TransformationParameter; 39 softmax_param SoftmaxParameter""",
    "NetParameter": """
        1 name string; 2 layers V1LayerParameter *; 3 input string *; 4 input_dim int64 *
        8 input_shape BlobShape *; 100 layer LayerParameter *""",
}
_PACKAGE = "dissection.networks.caffe"


def _file_descriptor() -> FileDescriptorProto:
    file = FileDescriptorProto(name="dissection/caffe.proto", package=_PACKAGE, syntax="proto2")
    for name, values in _ENUMS.items():
        # Values of an enum live in the scope around it; two enums have a MAX.
        enum = file.message_type.add(name=name).enum_type.add(name="Value")
        for value in values.split():
            key, _, number = value.partition("=")
            enum.value.add(name=key, number=int(number))
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for line in fields.replace(";", "\n").strip().splitlines():
            _add_field(message, *line.split())
    return file


def _add_field(message: Any, number: str, name: str, kind: str, *marks: str) -> None:
    repeated = "*" in marks
    field = message.field.add(name=name, number=int(number))
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if kind in _MESSAGES or kind in _ENUMS:
        field.type_name = f".{_PACKAGE}.{kind}" + (".Value" if kind in _ENUMS else "")
        field.type = field.TYPE_MESSAGE if kind in _MESSAGES else field.TYPE_ENUM
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
        # How they are written; both forms are read.
        field.options.packed = repeated and kind in ("float", "double")
    for mark in marks:
        if mark.startswith("="):
            field.default_value = mark[1:]


_pool = DescriptorPool()
_pool.AddSerializedFile(_file_descriptor().SerializeToString())


def _message(name: str) -> Any:
    return GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


BlobProto = _message("BlobProto")
LayerParameter = _message("LayerParameter")
NetParameter = _message("NetParameter")
V1LayerParameter = _message("V1LayerParameter")
V1_LAYER_TYPES: dict[int, str] = {
    value.number: value.name
    for value in _pool.FindEnumTypeByName(f"{_PACKAGE}.V1LayerType.Value").values
}
