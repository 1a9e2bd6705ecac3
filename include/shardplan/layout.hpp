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
///   relabel                    which process plays which rank of a new layout  layout/relabel.hpp
///
/// A layout is a function of a place, never of a rank: rank order is the view's business. Of the six cuts only `split`
/// reads the place; copies on several ranks are no cut but an axis, or part of one, that no split names.
#include <shardplan/layout/copy.hpp>
#include <shardplan/layout/coverage.hpp>
#include <shardplan/layout/flat.hpp>
#include <shardplan/layout/relabel.hpp>
