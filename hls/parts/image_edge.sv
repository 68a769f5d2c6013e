// image_edge - how the last row, or column, that windows need moves on from window to window.
//
//   full_o = at_i <  Full   by a full stride
//   edge_o = at_i == Full   by the rest up to the image's edge; behind it by nothing
// Full is the last window that ends within the image, -1 where the first one ends beyond it.
module image_edge #(
  parameter int          Full    = 0,
  parameter int          Windows = 1,  // of a column, or of a row
  parameter int unsigned Bits    = 1   // of at_i
) (
  input  logic [Bits-1:0] at_i,
  output logic            full_o,
  output logic            edge_o
);
  if (Full >= Windows - 1) begin : gen_inside
    assign full_o = 1'b1;
    assign edge_o = 1'b0;
    logic unused;
    assign unused = ^at_i;
  end else if (Full <= 0) begin : gen_outside
    assign full_o = 1'b0;
    assign edge_o = Full == 0 && at_i == '0;
  end else begin : gen_edge
    assign full_o = at_i < Bits'(Full);
    assign edge_o = at_i == Bits'(Full);
  end
endmodule
