"""Networks in Caffe's format as PyTorch modules, read without Caffe."""
