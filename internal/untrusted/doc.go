// Package untrusted owns the border: what a path, a text or a name from outside must be before
// anything else of the program touches it. Checkpoints, stores, hubs, templates and files that a flag
// names are outside.
//
//   - Open and ReadFile take regular files only, and never wait for a pipe or a device.
//   - Text, Lines and JSON write text so that no terminal can be steered by it.
//   - CheckName says which names may become part of files, headers and manifests.
//   - Guard turns a fault in mapped memory, as when a file shrinks while it is read, into an error.
//
// It must not know what is in a file, or what a name is of.
package untrusted
