#pragma once
/// The mesh room: where ranks sit.
///
///   Axis, Digit            a named direction, or part of one                              mesh/axis.hpp
///   View, Place, Wire      ranks as mixed-radix numbers: rank(place), place(rank)         mesh/view.hpp
///   Grid<Axes...>          the same with the axes in the type, static or dynamic extents  mesh/grid.hpp
///   Group, GroupList       ranks that differ along some axes; all groups of a kind        mesh/group.hpp
///   World, Hardware        the machine                                                    mesh/world.hpp
///   Mesh, Degrees          the orders and groups of neuronx-distributed                   mesh/nxd.hpp
///   SideGroups             groups that NxD makes when a layer asks for them               mesh/side_groups.hpp
///   Accessors              what NxD tells a rank about itself                             mesh/accessors.hpp
///   defects                where that contradicts the mesh                                mesh/defects.hpp
///   group_differences      which groups of a job NxD builds otherwise, without a look     mesh/differences.hpp
///   experts_of             which experts an expert rank holds                             mesh/experts.hpp
///   mcore::...             order strings, two grids and all groups of Megatron-Core        mesh/megatron_groups.hpp
///   ProcessTopology, ...   the topologies of DeepSpeed                                    mesh/deepspeed.hpp
///   DeviceMesh             the meshes of PyTorch, over any list of ranks                  mesh/device_mesh.hpp
///   torus_view             an order of ranks that suits a torus, as JAX finds it          mesh/torus.hpp
///   HyperCommGrid          Megatron's grid with further views of the same ranks           mesh/hyper_comm_grid.hpp
///   order_notation, ...    orders read from, and written in, each system's notation       mesh/notation.hpp
///   same_order             a proof that two orders are one, or the first rank that isn't  mesh/same_order.hpp
///
/// Every query is O(axes) and independent of the number of ranks; nothing here stores a list of them.
#include <shardplan/mesh/deepspeed.hpp>
#include <shardplan/mesh/defects.hpp>
#include <shardplan/mesh/device_mesh.hpp>
#include <shardplan/mesh/differences.hpp>
#include <shardplan/mesh/experts.hpp>
#include <shardplan/mesh/grid.hpp>
#include <shardplan/mesh/hyper_comm_grid.hpp>
#include <shardplan/mesh/megatron_groups.hpp>
#include <shardplan/mesh/notation.hpp>
#include <shardplan/mesh/same_order.hpp>
#include <shardplan/mesh/torus.hpp>
