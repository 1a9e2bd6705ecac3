#pragma once
/// The tensor room: how a weight, a layer or an activation is cut over the tensor (and expert, context) ranks, and what
/// that makes the ranks send each other.
///
///   Options                       KV copies, hardware, dialect                                  tensor/options.hpp
///   weight_layout                 the parameter of a model -> its layout                        tensor/weight.hpp
///   attention_layouts, heads_at   which rank holds which heads; heads_match proves the pairing  tensor/heads.hpp
///   converter_layouts             the order of NxD's checkpoint converter                       tensor/converter.hpp
///   pad_model, head_padding_mask  heads that do not divide                                      tensor/padding.hpp
///   LayerTensor, Phase            what a layer is made of, and how far it is taken              tensor/layer_tensor.hpp
///   ColumnParallelLinear, Row...  linear layers                                                 tensor/linear.hpp
///   ParallelEmbedding             token tables                                                  tensor/embedding.hpp
///   Output/InputChannel...Conv2d  convolutions                                                  tensor/convolution.hpp
///   ExpertFusedColumn/Row...      linear layers of many experts                                 tensor/experts.hpp
///   GQAQKVColumnParallelLinear    queries, keys and values                                      tensor/qkv.hpp
///   Routing                       the checks of an MoE block                                    tensor/routing.hpp
///   sequence_layout, ...          activations and batches along the sequence                    tensor/activations.hpp
///   zigzag_layout, ...            sequences and documents with balanced causal attention        tensor/zigzag.hpp
///   Collective, Communication     the operators between parallel regions                        tensor/collectives.hpp
///   communication                 what a layer sends                                            tensor/layer_collectives.hpp
///
/// Every layer is an aggregate with the defaults of NxD and answers three questions:
///
///     const sp::tensor::ColumnParallelLinear up{.input_size = 4096, .output_size = 22016, .stride = 2};
///     sp::tensor::diagnose(up, 8);                            // all that is wrong with it on 8 tensor ranks
///     sp::tensor::tensors(up, view);                          // its weight and bias: layouts and NxD's marks
///     sp::tensor::communication(up, {1, 2048, 4096}, 8);      // collectives forward and backward, output shapes
#include <shardplan/tensor/activations.hpp>
#include <shardplan/tensor/collectives.hpp>
#include <shardplan/tensor/convolution.hpp>
#include <shardplan/tensor/converter.hpp>
#include <shardplan/tensor/embedding.hpp>
#include <shardplan/tensor/experts.hpp>
#include <shardplan/tensor/heads.hpp>
#include <shardplan/tensor/layer_collectives.hpp>
#include <shardplan/tensor/layer_tensor.hpp>
#include <shardplan/tensor/linear.hpp>
#include <shardplan/tensor/options.hpp>
#include <shardplan/tensor/padding.hpp>
#include <shardplan/tensor/qkv.hpp>
#include <shardplan/tensor/routing.hpp>
#include <shardplan/tensor/weight.hpp>
#include <shardplan/tensor/zigzag.hpp>
