// A grpc-go server that answers KEDA's calls with constants: the peer that `foresail-bench load` measures.
//
// Its settings are grpc-go's defaults, as in the scalers that KEDA's own documentation shows.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"

	pb "foresail.example/bench/grpc-go/externalscaler"
)

//go:generate protoc --proto_path=../../../proto --go_out=externalscaler --go-grpc_out=externalscaler externalscaler.proto

type constants struct {
	pb.UnimplementedExternalScalerServer
}

func (constants) IsActive(context.Context, *pb.ScaledObjectRef) (*pb.IsActiveResponse, error) {
	return &pb.IsActiveResponse{Result: true}, nil
}

func (constants) GetMetricSpec(context.Context, *pb.ScaledObjectRef) (*pb.GetMetricSpecResponse, error) {
	spec := &pb.MetricSpec{MetricName: "constant", TargetSize: 1, TargetSizeFloat: 1}
	return &pb.GetMetricSpecResponse{MetricSpecs: []*pb.MetricSpec{spec}}, nil
}

func (constants) GetMetrics(_ context.Context, call *pb.GetMetricsRequest) (*pb.GetMetricsResponse, error) {
	value := &pb.MetricValue{MetricName: call.MetricName, MetricValue: 7, MetricValueFloat: 7}
	return &pb.GetMetricsResponse{MetricValues: []*pb.MetricValue{value}}, nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterExternalScalerServer(server, constants{})
	fmt.Println("listening", listener.Addr())
	go func() {
		// Whoever started this server holds its standard input open.
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(server.Serve(listener))
}
