// Package onnxpb holds the part of the ONNX file format that package model
// imports, and the code generated from it.
package onnxpb

//go:generate go run pascaline/internal/protogen -out ../.. onnx.proto
