// Package part is documented.
package part

import (
	"fmt"

	"good.example/model"
	"lib.example/disk/v3/file"
)

// Print is documented.
func Print(w model.Word) { fmt.Println(w, file.Name) }
