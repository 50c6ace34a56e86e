"""The messages of Caffe's files: those fields of its caffe.proto that matter here.

They are built when this module is imported, in a pool of their own, so that they do not meet those
of an installed Caffe. Sources: BVLC's caffe.proto, and those of its forks for what is theirs.

A field of a layer is either listed in `_MESSAGES`, and then whoever builds that layer looks at
it; or in `NO_EFFECT`, because it changes nothing when a network is used; or it is not known, and
a layer that has it is refused (`text`).
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
    "BNMode": "LEARN=0 INFERENCE=1",
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
    # In some forks field 10 is the values as halves, in others the type of raw_data, which then
    # is one number.
    "BlobProto": """
        1 num int64; 2 channels int64; 3 height int64; 4 width int64; 7 shape BlobShape
        5 data float *; 8 double_data double *; 10 half_data uint32 *; 12 raw_data bytes""",
    "FillerParameter": """
        1 type string; 2 value float; 3 min float; 4 max float; 5 mean float; 6 std float
        7 sparse int64""",
    "NetState": "1 phase Phase; 2 level int64; 3 stage string *",
    "NetStateRule": """
        1 phase Phase; 2 min_level int64; 3 max_level int64; 4 stage string *
        5 not_stage string *""",
    "TransformationParameter": """
        1 scale float =1; 2 mirror bool; 3 crop_size uint32; 4 mean_file string
        5 mean_value float *; 6 force_color bool; 7 force_gray bool; 11 crop_h uint32
        12 crop_w uint32""",
    "DataParameter": "2 scale float =1; 3 mean_file string; 5 crop_size uint32; 6 mirror bool",
    "DummyDataParameter": """
        2 num uint32 *; 3 channels uint32 *; 4 height uint32 *; 5 width uint32 *
        6 shape BlobShape *""",
    "ImageDataParameter": """
        2 scale float =1; 3 mean_file string; 5 crop_size uint32; 6 mirror bool
        9 new_height uint32; 10 new_width uint32; 11 is_color bool =true""",
    "MemoryDataParameter": "2 channels uint32; 3 height uint32; 4 width uint32",
    "InputParameter": "1 shape BlobShape *",
    # The last three are NVIDIA's.
    "BatchNormParameter": """
        1 use_global_stats bool =true; 3 eps float =1e-5; 5 scale_filler FillerParameter
        6 bias_filler FillerParameter; 7 scale_bias bool""",
    "BiasParameter": "1 axis int64 =1; 2 num_axes int64 =1",
    # Of two forks. Their numbers differ; only text is read.
    "BNParameter": "1 eps float =1e-5; 2 bn_mode BNMode =LEARN",
    "ClipParameter": "1 min float; 2 max float",
    "ConcatParameter": "1 concat_dim int64 =1; 2 axis int64 =1",
    "ConvolutionParameter": """
        1 num_output uint32; 2 bias_term bool =true; 3 pad uint32 *; 4 kernel_size uint32 *
        5 group uint32 =1; 6 stride uint32 *; 9 pad_h uint32; 10 pad_w uint32; 11 kernel_h uint32
        12 kernel_w uint32; 13 stride_h uint32; 14 stride_w uint32; 16 axis int64 =1
        18 dilation uint32 *""",
    "CropParameter": "1 axis int64 =2; 2 offset uint32 *",
    # scale_train and sample_weights_test are of forks.
    "DropoutParameter": """
        1 dropout_ratio float =0.5; 2 scale_train bool =true; 3 sample_weights_test bool""",
    "EltwiseParameter": "1 operation EltwiseOp =SUM; 2 coeff float *",
    "ELUParameter": "1 alpha float =1",
    "ExpParameter": "1 base float =-1; 2 scale float =1; 3 shift float =0",
    "FlattenParameter": "1 axis int64 =1; 2 end_axis int64 =-1",
    "InnerProductParameter": """
        1 num_output uint32; 2 bias_term bool =true; 5 axis int64 =1; 6 transpose bool""",
    "LogParameter": "1 base float =-1; 2 scale float =1; 3 shift float =0",
    "LRNParameter": """
        1 local_size uint32 =5; 2 alpha float =1; 3 beta float =0.75
        4 norm_region NormRegion =ACROSS_CHANNELS; 5 k float =1""",
    "PermuteParameter": "1 order uint32 *",
    # ceil_mode is not Caffe's, but some converters write it.
    "PoolingParameter": """
        1 pool PoolMethod =MAX; 2 kernel_size uint32 *; 3 stride uint32 *; 4 pad uint32 *
        5 kernel_h uint32; 6 kernel_w uint32; 7 stride_h uint32; 8 stride_w uint32; 9 pad_h uint32
        10 pad_w uint32; 12 global_pooling bool; 13 round_mode RoundMode =CEIL
        40 ceil_mode bool =true""",
    "PowerParameter": "1 power float =1; 2 scale float =1; 3 shift float =0",
    "PReLUParameter": "2 channel_shared bool",
    "ReLUParameter": "1 negative_slope float",
    "ReshapeParameter": "1 shape BlobShape; 2 axis int64 =0; 3 num_axes int64 =-1",
    "ScaleParameter": "1 axis int64 =1; 2 num_axes int64 =1; 4 bias_term bool",
    "SliceParameter": "1 slice_dim int64 =1; 2 slice_point uint32 *; 3 axis int64 =1",
    "SoftmaxParameter": "2 axis int64 =1",
    "SwishParameter": "1 beta float =1",
    "ThresholdParameter": "1 threshold float =0",
    "LayerParameter": """
        1 name string; 2 type string; 3 bottom string *; 4 top string *; 7 blobs BlobProto *
        8 include NetStateRule *; 9 exclude NetStateRule *; 10 phase Phase
        100 transform_param TransformationParameter; 104 concat_param ConcatParameter
        106 convolution_param ConvolutionParameter; 107 data_param DataParameter
        108 dropout_param DropoutParameter; 109 dummy_data_param DummyDataParameter
        110 eltwise_param EltwiseParameter; 111 exp_param ExpParameter
        115 image_data_param ImageDataParameter; 117 inner_product_param InnerProductParameter
        118 lrn_param LRNParameter; 119 memory_data_param MemoryDataParameter
        121 pooling_param PoolingParameter; 122 power_param PowerParameter
        123 relu_param ReLUParameter; 125 softmax_param SoftmaxParameter
        126 slice_param SliceParameter; 128 threshold_param ThresholdParameter
        129 window_data_param DataParameter; 131 prelu_param PReLUParameter
        133 reshape_param ReshapeParameter; 134 log_param LogParameter
        135 flatten_param FlattenParameter; 139 batch_norm_param BatchNormParameter
        140 elu_param ELUParameter; 141 bias_param BiasParameter; 142 scale_param ScaleParameter
        143 input_param InputParameter; 144 crop_param CropParameter
        147 swish_param SwishParameter; 148 clip_param ClipParameter
        202 permute_param PermuteParameter; 1137 bn_param BNParameter""",
    "V0LayerParameter": """
        1 name string; 2 type string; 3 num_output uint32; 4 biasterm bool =true; 7 pad uint32
        8 kernelsize uint32; 9 group uint32 =1; 10 stride uint32 =1; 11 pool PoolMethod =MAX
        12 dropout_ratio float =0.5; 13 local_size uint32 =5; 14 alpha float =1
        15 beta float =0.75; 17 scale float =1; 18 meanfile string; 20 cropsize uint32
        21 mirror bool; 22 k float =1; 50 blobs BlobProto *; 62 new_height int64
        63 new_width int64; 65 concat_dim uint32 =1""",
    "V1LayerParameter": """
        1 layer V0LayerParameter; 2 bottom string *; 3 top string *; 4 name string
        5 type V1LayerType; 6 blobs BlobProto *; 9 concat_param ConcatParameter
        10 convolution_param ConvolutionParameter; 11 data_param DataParameter
        12 dropout_param DropoutParameter; 15 image_data_param ImageDataParameter
        17 inner_product_param InnerProductParameter; 18 lrn_param LRNParameter
        19 pooling_param PoolingParameter; 20 window_data_param DataParameter
        21 power_param PowerParameter; 22 memory_data_param MemoryDataParameter
        24 eltwise_param EltwiseParameter; 25 threshold_param ThresholdParameter
        26 dummy_data_param DummyDataParameter; 30 relu_param ReLUParameter
        31 slice_param SliceParameter; 32 include NetStateRule *; 33 exclude NetStateRule *
        36 transform_param TransformationParameter; 39 softmax_param SoftmaxParameter
        41 exp_param ExpParameter""",
    "NetParameter": """
        1 name string; 2 layers V1LayerParameter *; 3 input string *; 4 input_dim int64 *
        6 state NetState; 8 input_shape BlobShape *; 100 layer LayerParameter *""",
}

# Fields that change nothing when a network is used: they are for training, say how to compute
# the same (engine), or are parameters of types of layers that are not supported, at which no
# other type looks. Those of NVIDIA's fork choose the precision.
_OF_OTHER_TYPES = """
    accuracy_param argmax_param contrastive_loss_param embed_param hdf5_data_param
    hdf5_output_param hinge_loss_param infogain_loss_param loss_param mvn_param parameter_param
    python_param recurrent_param reduction_param sigmoid_param spp_param tanh_param tile_param"""
NO_EFFECT: dict[str, frozenset[str]] = {
    message: frozenset(fields.split())
    for message, fields in {
        "FillerParameter": "variance_norm",
        "BatchNormParameter": "moving_average_fraction",
        "BiasParameter": "filler",
        "BNParameter": "slope_filler bias_filler scale_filler shift_filler momentum frozen engine",
        "ConvolutionParameter": "weight_filler bias_filler engine force_nd_im2col",
        "EltwiseParameter": "stable_prod_grad",
        "InnerProductParameter": "weight_filler bias_filler engine",
        "LRNParameter": "engine",
        "PoolingParameter": "engine",
        "PReLUParameter": "filler",
        "ReLUParameter": "engine",
        "ScaleParameter": "filler bias_filler",
        "SoftmaxParameter": "engine",
        "LayerParameter": f"""
            loss_weight param propagate_down forward_type backward_type forward_math
            backward_math {_OF_OTHER_TYPES}""",
        "V0LayerParameter": """
            weight_filler bias_filler blobs_lr weight_decay source batchsize rand_skip
            det_fg_threshold det_bg_threshold det_fg_fraction det_context_pad det_crop_mode
            shuffle_images hdf5_output_param""",
        "V1LayerParameter": f"""
            param blob_share_mode blobs_lr weight_decay loss_weight {_OF_OTHER_TYPES}""",
        "NetParameter": """
            force_backward debug_info default_forward_type default_backward_type
            default_forward_math default_backward_math global_grad_scale reduce_buckets""",
    }.items()
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
