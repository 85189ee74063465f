// Package safetensors owns one file format: the header, checked as strictly as the reference reader
// does it, the tensors behind it as mapped memory, and the headers of blobs that we write.
//
// It must not know models, encodings or directories: a tensor here is a name, a dtype, a shape and
// a range of bytes.
//
//	bytes 0..7    N, little-endian: length of the header
//	8..8+N-1      JSON: {"name":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}, …}
//	8+N..         data; offsets count from here
package safetensors
