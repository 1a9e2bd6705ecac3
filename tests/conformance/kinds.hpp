#pragma once
#include "case.hpp"

/// Every room's kinds, and those that later issues bring.
namespace conformance {

Kinds mesh_kinds();
Kinds uncovered_kinds();

}  // namespace conformance
