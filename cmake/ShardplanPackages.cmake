# Shared by the build and by the installed package configuration.

# libdeflate before 1.15 comes without a package configuration.
function(shardplan_find_libdeflate)
  find_library(SHARDPLAN_LIBDEFLATE deflate)
  find_path(SHARDPLAN_LIBDEFLATE_INCLUDE libdeflate.h)
  mark_as_advanced(SHARDPLAN_LIBDEFLATE SHARDPLAN_LIBDEFLATE_INCLUDE)
  if(SHARDPLAN_LIBDEFLATE AND SHARDPLAN_LIBDEFLATE_INCLUDE AND NOT TARGET libdeflate::libdeflate)
    add_library(libdeflate::libdeflate UNKNOWN IMPORTED)
    set_target_properties(libdeflate::libdeflate PROPERTIES
      IMPORTED_LOCATION "${SHARDPLAN_LIBDEFLATE}" INTERFACE_INCLUDE_DIRECTORIES "${SHARDPLAN_LIBDEFLATE_INCLUDE}")
    set_property(TARGET libdeflate::libdeflate PROPERTY IMPORTED_GLOBAL TRUE)
  endif()
endfunction()

# Looks for packages; `missing` gets the names of those that are not there.
function(shardplan_find_packages missing)
  set(absent)
  foreach(package IN LISTS ARGN)
    if(package STREQUAL "libdeflate")
      shardplan_find_libdeflate()
      if(NOT TARGET libdeflate::libdeflate)
        list(APPEND absent ${package})
      endif()
      continue()
    endif()
    find_package(${package} QUIET)
    if(NOT ${package}_FOUND)
      list(APPEND absent ${package})
    endif()
  endforeach()
  # yaml-cpp before 0.8 calls its target by the bare name.
  if(TARGET yaml-cpp AND NOT TARGET yaml-cpp::yaml-cpp)
    add_library(yaml-cpp::yaml-cpp INTERFACE IMPORTED)
    set_property(TARGET yaml-cpp::yaml-cpp PROPERTY INTERFACE_LINK_LIBRARIES yaml-cpp)
  endif()
  set(${missing} "${absent}" PARENT_SCOPE)
endfunction()
