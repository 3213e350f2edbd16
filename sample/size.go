package sample

const (
	// Lines is the number of records in the sample.
	Lines = 53006

	// Bytes is the size of the sample before compression.
	Bytes = 21598759
)
