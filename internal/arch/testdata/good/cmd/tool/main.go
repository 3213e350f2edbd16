// Command tool is documented.
package main

import "good.example/storage/part"

func main() { part.Print("x") }
