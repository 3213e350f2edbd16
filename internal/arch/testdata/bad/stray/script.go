//go:build ignore

package main

func init() {}
