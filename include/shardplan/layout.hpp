#pragma once
/// The layout room: which piece of a tensor sits where.
///
///   Chain, split, pad, ...     the six cuts, joined with |                     layout/cut.hpp
///   Layout                     view + shape + a chain a dimension              layout/layout.hpp
///   Shard, Piece               what one place holds                            layout/shard.hpp
///   for_each_holder, ...       the inverse: who holds element i                layout/holders.hpp
///   prove_coverage             every element as often as declared              layout/coverage.hpp
///   FlatLayout                 tensors behind one another in a cut buffer      layout/flat.hpp
///   extract, assemble          values in and out                               layout/copy.hpp
///   transfer                   who sends what to whom between two layouts      layout/transfer.hpp
///   FlatTransfer               the same with a flat buffer on either side      layout/flat_transfer.hpp
///   relabel                    which process plays which rank of a new layout  layout/relabel.hpp
///   dtensor::Placement, ...    the placements of PyTorch's DTensor             layout/placements.hpp
///   xla::Sharding              tile assignments of XLA                         layout/xla.hpp
///   PartitionSpec, shardy      the notations of JAX and Shardy                 layout/shardy.hpp
///   cute::Layout               the layout algebra of CuTe                      layout/cute.hpp
///
/// A layout is a function of a place, never of a rank: rank order is the view's business. Of the six cuts only `split`
/// reads the place; copies on several ranks are no cut but an axis, or part of one, that no split names.
#include <shardplan/layout/copy.hpp>
#include <shardplan/layout/coverage.hpp>
#include <shardplan/layout/cute.hpp>
#include <shardplan/layout/flat.hpp>
#include <shardplan/layout/flat_transfer.hpp>
#include <shardplan/layout/notation.hpp>
#include <shardplan/layout/placements.hpp>
#include <shardplan/layout/relabel.hpp>
#include <shardplan/layout/shardy.hpp>
#include <shardplan/layout/transfer.hpp>
#include <shardplan/layout/xla.hpp>
