# Programs of this project itself: tests, benchmarks, examples. Nothing here reaches a user's targets.
#
#   shardplan_program(<name>
#     SOURCES <file>...
#     [PACKAGES <package>...]     beyond those of the components
#     [LIBRARIES <target>...]     of those packages
#     [DEFINITIONS <macro>...])
#
# Links every component that is on. Where a package is missing, or a source includes a header of a component that is
# off, there is no target <name> but one line that says why.

add_library(shardplan_strict INTERFACE)
target_compile_options(shardplan_strict INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wnon-virtual-dtor
  -Woverloaded-virtual -Wdouble-promotion
  # g++ 12 sees both where there is nothing, once it inlines std::string and std::shared_ptr (GCC bugs 105651, 105562).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-maybe-uninitialized>)

function(shardplan_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PACKAGES;LIBRARIES;DEFINITIONS")

  shardplan_find_packages(missing ${arg_PACKAGES})
  get_property(off GLOBAL PROPERTY SHARDPLAN_OFF)
  foreach(header IN LISTS off)
    cmake_path(RELATIVE_PATH header BASE_DIRECTORY "${SHARDPLAN_INCLUDE_DIR}")
    foreach(source IN LISTS arg_SOURCES)
      file(STRINGS "${source}" uses REGEX "^#include <${header}>")
      if(uses)
        list(APPEND missing "<${header}>")
      endif()
    endforeach()
  endforeach()
  if(missing)
    list(REMOVE_DUPLICATES missing)
    list(JOIN missing ", " missing)
    message(STATUS "${name} is off: ${missing} not found")
    return()
  endif()

  add_executable(${name} ${arg_SOURCES})
  target_compile_definitions(${name} PRIVATE ${arg_DEFINITIONS})
  get_property(components GLOBAL PROPERTY SHARDPLAN_ON)
  list(TRANSFORM components PREPEND shardplan::)
  target_link_libraries(${name} PRIVATE shardplan_strict ${components} ${arg_LIBRARIES})
endfunction()
