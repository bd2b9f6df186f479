// Package api holds the wire types: the protobuf contracts of the link between
// two parties and of the files pascaline writes, and the code generated from
// them. Nothing else defines what crosses a wire or a disk as protobuf.
package api

//go:generate go run pascaline/internal/protogen -out .. backend.proto dealer.proto link.proto party.proto plan.proto shared.proto
