package arch

// Exceptions returns what may be over a limit in this tree, or hold state at
// package level, with the reason.
func Exceptions() map[string]string {
	const scratch = "scratch memory that holds nothing between two uses"
	return map[string]string{
		"cluster/link.InsecureSkipVerify": "nodes have no host names: their certificates are verified by the authority and the id beside it",
		"query/exec":                      "each aggregate is one file",
		"storage/segment":                 "each part of the format is one file",
		"model/block.encoders":            scratch,
		"model/block.compressor":          scratch,
		"model/block.decompressor":        scratch,
		"storage/column.encoders":         scratch,
		"storage/head.scans":              scratch,
		"storage/column.decoder":          scratch,
	}
}
