// Package picture owns what is done to a picture before a model sees it: it decodes PNG, JPEG, GIF and
// WebP, and makes of them the patches that the image processors of Qwen3.x make, as a model's processor
// file says.
//
// A picture is from outside: how many bytes, pixels and patches it may have is bounded, and looked up
// in its header before it is decoded.
//
// It must not know models, tokens or MLX, nor where a picture comes from.
package picture
